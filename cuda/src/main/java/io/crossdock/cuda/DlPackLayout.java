package io.crossdock.cuda;

/// Where the fields of the structs of DLPack lie on a 64-bit machine.
///
/// ```
/// DLTensor:                 data | device | numDims | type | shape | strides | byteOffset
/// DLManagedTensor:          DLTensor | context | deleter
/// DLManagedTensorVersioned: major, minor | context | deleter | flags | DLTensor
/// ```
///
/// Source: `dlpack.h` of DLPack 1.1, <https://dmlc.github.io/dlpack/latest/c_api.html>.
///
/// Safe for any thread.
///
/// @param head who made the tensor
/// @param body what it is
/// @param byteSize of the struct
record DlPackLayout(Head head, Body body, long byteSize) {
  static final DlPackLayout PLAIN = plain();
  static final DlPackLayout VERSIONED = versioned();

  private static final long ABSENT = -1;

  /// Offsets of what the producer says of itself; -1 for what the plain form does not have.
  record Head(long major, long minor, long context, long deleter, long flags) {}

  /// Offsets of the fields of `DLTensor`.
  record Body(
      long data,
      long deviceType,
      long deviceId,
      long numDims,
      long code,
      long bits,
      long lanes,
      long shape,
      long strides,
      long byteOffset) {

    private static Body take(Fields f) {
      return new Body(
          f.take(Long.BYTES),
          f.take(Integer.BYTES),
          f.take(Integer.BYTES),
          f.take(Integer.BYTES),
          f.take(Byte.BYTES),
          f.take(Byte.BYTES),
          f.take(Short.BYTES),
          f.take(Long.BYTES),
          f.take(Long.BYTES),
          f.take(Long.BYTES));
    }
  }

  /// Hands out the offsets of fields one after the other, each aligned to its own size.
  private static final class Fields {
    private long next;

    long take(int numBytes) {
      long start = (next + numBytes - 1) / numBytes * numBytes;
      next = start + numBytes;
      return start;
    }
  }

  /// True if the struct says its version and flags.
  boolean isVersioned() {
    return head.flags != ABSENT;
  }

  private static DlPackLayout plain() {
    Fields f = new Fields();
    Body body = Body.take(f);
    Head head = new Head(ABSENT, ABSENT, f.take(Long.BYTES), f.take(Long.BYTES), ABSENT);
    return new DlPackLayout(head, body, f.next);
  }

  private static DlPackLayout versioned() {
    Fields f = new Fields();
    Head head =
        new Head(
            f.take(Integer.BYTES),
            f.take(Integer.BYTES),
            f.take(Long.BYTES),
            f.take(Long.BYTES),
            f.take(Long.BYTES));
    Body body = Body.take(f);
    return new DlPackLayout(head, body, f.next);
  }
}
