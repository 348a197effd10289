package io.crossdock.ffi;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// Zeroed private memory that costs nothing until it is touched: for areas that are sized for the
/// worst case and mostly stay empty. [Arena#allocate] would write all of it.
///
/// Safe for any thread.
public final class AnonymousMemory {
  private AnonymousMemory() {}

  /// Maps memory, aligned to pages.
  ///
  /// @param byteSize bytes
  /// @param arena unmaps it when closed
  /// @return the memory
  /// @throws NativeCallException if there is none
  @SuppressWarnings("restricted")
  public static MemorySegment map(long byteSize, Arena arena) {
    if (byteSize == 0) {
      return arena.allocate(0);
    }
    long address = LibC.mapAnonymous(byteSize);
    return MemorySegment.ofAddress(address)
        .reinterpret(byteSize, arena, memory -> LibC.unmap(memory.address(), byteSize));
  }
}
