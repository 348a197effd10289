package io.crossdock.ffi;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// Turns raw addresses into memory segments. The only place of the project that may.
///
/// Safe for any thread.
public final class RawMemory {
  private static final MemorySegment EVERYTHING = everythingThereIs();

  private RawMemory() {}

  /// Views native memory for ever. The caller vouches that it stays mapped while the view is used:
  /// a wrong address is a crash, not an exception.
  ///
  /// @param address first byte; not 0 unless the view is empty
  /// @param byteSize bytes
  /// @return the view
  /// @throws IllegalArgumentException if the range cannot be memory
  @SuppressWarnings("restricted")
  public static MemorySegment view(long address, long byteSize) {
    check(address, byteSize);
    return MemorySegment.ofAddress(address).reinterpret(byteSize);
  }

  /// Views native memory until an arena is closed.
  ///
  /// @param address first byte; not 0 unless the view is empty
  /// @param byteSize bytes
  /// @param arena ends the view
  /// @return the view
  /// @throws IllegalArgumentException if the range cannot be memory
  @SuppressWarnings("restricted")
  public static MemorySegment view(long address, long byteSize, Arena arena) {
    check(address, byteSize);
    return MemorySegment.ofAddress(address).reinterpret(byteSize, arena, null);
  }

  /// Views all memory, so that an offset is an address: for code that a library calls with
  /// addresses and that must not allocate. The caller vouches for every access.
  ///
  /// @return the view
  public static MemorySegment everything() {
    return EVERYTHING;
  }

  @SuppressWarnings("restricted")
  private static MemorySegment everythingThereIs() {
    return MemorySegment.NULL.reinterpret(Long.MAX_VALUE);
  }

  private static void check(long address, long byteSize) {
    boolean nowhere = address == 0 && byteSize > 0;
    boolean wraps = Long.compareUnsigned(address + byteSize, address) < 0;
    if (byteSize < 0 || nowhere || wraps) {
      throw new IllegalArgumentException(
          "no such memory: address=0x" + Long.toHexString(address) + ", byteSize=" + byteSize);
    }
  }
}
