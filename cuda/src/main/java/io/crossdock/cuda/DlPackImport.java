package io.crossdock.cuda;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import io.crossdock.core.DType;
import io.crossdock.core.Device;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.Tensor;
import io.crossdock.ffi.RawMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// Reads one struct that another library made.
///
/// Confined to one thread.
final class DlPackImport {
  static final int MAJOR = 1;
  static final long FLAG_READ_ONLY = 1;

  /// More than any library has: such a number is no struct.
  private static final int MAX_DIMS = 64;

  private final long address;
  private final DlPackLayout layout;
  private final MemorySegment struct;

  private DlPackImport(long address, DlPackLayout layout) {
    this.address = address;
    this.layout = layout;
    this.struct = RawMemory.view(address, layout.byteSize());
  }

  /// Takes a tensor over; one that is refused is given back before.
  static DlPackTensor take(long address, DlPackLayout layout) {
    if (address == 0 || address % Long.BYTES != 0) {
      throw new InvalidInputException("no DLPack tensor lies there: address=" + hex(address));
    }
    DlPackImport reader = new DlPackImport(address, layout);
    long deleter = reader.struct.get(JAVA_LONG, layout.head().deleter());
    try {
      return new DlPackTensor(address, deleter, reader.read());
    } catch (RuntimeException e) {
      DlPackTensor.release(deleter, address);
      throw e;
    }
  }

  private DlPackTensor.Contents read() {
    boolean readOnly = false;
    if (layout.isVersioned()) {
      checkVersion();
      readOnly = (struct.get(JAVA_LONG, layout.head().flags()) & FLAG_READ_ONLY) != 0;
    }
    Device device = device();
    DType dtype = type().dtype();
    long[] shape = shape();
    long[] strides = strides(shape);
    long data = data();
    Tensor tensor = Tensor.strided(device, MemorySegment.ofAddress(data), dtype, shape, strides);
    checkData(tensor, data);
    return device.equals(Device.HOST)
        ? onHost(tensor, strides, readOnly)
        : new DlPackTensor.Contents(tensor, readOnly, () -> {});
  }

  private void checkVersion() {
    int major = struct.get(JAVA_INT, layout.head().major());
    if (major != MAJOR) {
      throw new InvalidInputException(
          "DLPack version is not supported: major="
              + Integer.toUnsignedString(major)
              + ", supportedMajor="
              + MAJOR);
    }
  }

  private Device device() {
    int type = struct.get(JAVA_INT, layout.body().deviceType());
    return new DlPackDevice(type, struct.get(JAVA_INT, layout.body().deviceId())).device();
  }

  private DlPackType type() {
    int code = Byte.toUnsignedInt(struct.get(JAVA_BYTE, layout.body().code()));
    int bits = Byte.toUnsignedInt(struct.get(JAVA_BYTE, layout.body().bits()));
    int lanes = Short.toUnsignedInt(struct.get(JAVA_SHORT, layout.body().lanes()));
    return new DlPackType(code, bits, lanes);
  }

  private long[] shape() {
    int numDims = struct.get(JAVA_INT, layout.body().numDims());
    long where = struct.get(JAVA_LONG, layout.body().shape());
    if (numDims < 1 || numDims > MAX_DIMS || where == 0 || where % Long.BYTES != 0) {
      throw new InvalidInputException(
          "DLPack tensor needs a shape of 1 to "
              + MAX_DIMS
              + " dimensions: numDims="
              + numDims
              + ", shapeAddress="
              + hex(where));
    }
    return words(where, numDims);
  }

  /// The stride of a dimension without neighbours means nothing, and libraries write anything
  /// there; it is taken as if the tensor were contiguous from there on. What does not fit 64 bits
  /// is refused with the shape or the strides.
  private long[] strides(long[] shape) {
    long where = struct.get(JAVA_LONG, layout.body().strides());
    if (where % Long.BYTES != 0) {
      throw new InvalidInputException(
          "DLPack strides do not lie on words: stridesAddress=" + hex(where));
    }
    long[] given = where == 0 ? null : words(where, shape.length);
    long[] strides = new long[shape.length];
    long contiguous = 1;
    for (int i = shape.length - 1; i >= 0; i--) {
      strides[i] = given == null || shape[i] <= 1 ? contiguous : given[i];
      contiguous = strides[i] * Math.max(1, shape[i]);
    }
    return strides;
  }

  private static long[] words(long where, int count) {
    return RawMemory.view(where, (long) count * Long.BYTES).toArray(JAVA_LONG);
  }

  private long data() {
    long start = struct.get(JAVA_LONG, layout.body().data());
    long byteOffset = struct.get(JAVA_LONG, layout.body().byteOffset());
    if (Long.compareUnsigned(start + byteOffset, start) < 0) {
      throw new InvalidInputException(
          "DLPack byte offset is too large: data="
              + hex(start)
              + ", byteOffset="
              + Long.toUnsignedString(byteOffset));
    }
    return start == 0 ? 0 : start + byteOffset;
  }

  private void checkData(Tensor tensor, long data) {
    boolean missing = data == 0 && tensor.numElements() > 0;
    boolean wraps = Long.compareUnsigned(data + tensor.spanBytes(), data) < 0;
    if (missing || wraps || data % tensor.dtype().bytes() != 0) {
      throw new InvalidInputException(
          "DLPack tensor has no data, or not at a multiple of its element size: data="
              + hex(data)
              + ", "
              + tensor.describe()
              + ", spanBytes="
              + tensor.spanBytes()
              + ", address="
              + hex(address));
    }
  }

  private static DlPackTensor.Contents onHost(Tensor found, long[] strides, boolean readOnly) {
    Arena arena = Arena.ofShared();
    MemorySegment memory = RawMemory.view(found.segment().address(), found.spanBytes(), arena);
    MemorySegment view = readOnly ? memory.asReadOnly() : memory;
    Tensor tensor = Tensor.strided(view, found.dtype(), found.shape(), strides);
    return new DlPackTensor.Contents(tensor, readOnly, arena::close);
  }

  private static String hex(long value) {
    return "0x" + Long.toHexString(value);
  }
}
