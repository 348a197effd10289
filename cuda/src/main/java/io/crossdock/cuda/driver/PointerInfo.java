package io.crossdock.cuda.driver;

/// What the driver knows of an address.
///
/// Safe for any thread.
///
/// @param kind what lies there
/// @param ordinal GPU that it belongs to; -1 if CUDA does not know the address
/// @param rangeStart first byte of the allocation; 0 if unknown
/// @param rangeBytes bytes of the allocation; 0 if unknown
public record PointerInfo(Kind kind, int ordinal, long rangeStart, long rangeBytes) {
  private static final PointerInfo UNKNOWN = new PointerInfo(Kind.NOT_CUDA, -1, 0, 0);

  private static final int MEMORY_TYPE = 2;
  private static final int IS_MANAGED = 8;
  private static final int DEVICE_ORDINAL = 9;
  private static final int RANGE_START = 11;
  private static final int RANGE_BYTES = 12;
  private static final int TYPE_HOST = 1;

  /// What can lie at an address.
  public enum Kind {
    /// Memory that CUDA knows nothing of, such as plain host memory; also without a driver.
    NOT_CUDA,
    /// Host memory pinned by CUDA.
    PINNED_HOST,
    /// Memory of a GPU.
    DEVICE,
    /// Memory that moves between host and GPUs.
    MANAGED
  }

  /// Asks the driver.
  ///
  /// @param address any
  /// @return what it knows; never fails for an address that is not CUDA's
  public static PointerInfo of(long address) {
    if (Driver.startCode() != 0) {
      return UNKNOWN;
    }
    Scratch scratch = Scratch.get();
    int code = Driver.POINTER_ATTRIBUTE.call(scratch.address(), MEMORY_TYPE, address);
    if (code == Driver.INVALID_VALUE) {
      return UNKNOWN;
    }
    Driver.POINTER_ATTRIBUTE.check(code);
    Kind kind = scratch.firstInt() == TYPE_HOST ? Kind.PINNED_HOST : Kind.DEVICE;
    if (((int) word(IS_MANAGED, address) & 1) != 0) {
      kind = Kind.MANAGED;
    }
    int ordinal = (int) word(DEVICE_ORDINAL, address);
    return new PointerInfo(kind, ordinal, word(RANGE_START, address), word(RANGE_BYTES, address));
  }

  private static long word(int attribute, long address) {
    Scratch scratch = Scratch.get();
    scratch.clearWord();
    int code = Driver.POINTER_ATTRIBUTE.call(scratch.address(), attribute, address);
    if (code == Driver.INVALID_VALUE) {
      return 0;
    }
    Driver.POINTER_ATTRIBUTE.check(code);
    return scratch.word(0);
  }
}
