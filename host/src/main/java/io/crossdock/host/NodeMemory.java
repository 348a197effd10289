package io.crossdock.host;

import io.crossdock.ffi.AnonymousMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// The memory of one rank that networks read and write. All of it is of one arena, and so stays or
/// goes together.
///
/// Safe for any thread.
///
/// @param layout of the page
/// @param page what the rank shares, which transports offer to peers
/// @param arena closed when no network needs its memory any more
record NodeMemory(NodeLayout layout, MemorySegment page, Arena arena) {
  /// {@return memory of zeros that may be put from, and costs nothing until it is used}
  ///
  /// @param bytes its size
  MemorySegment map(long bytes) {
    return AnonymousMemory.map(bytes, arena);
  }
}
