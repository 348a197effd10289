package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.crossdock.core.spi.Pieces;
import io.crossdock.ffi.RawMemory;
import java.lang.foreign.MemorySegment;
import java.util.function.IntFunction;

/// Carries everything at once, between ranks that are threads of this process.
///
/// Safe for any thread.
final class CarryingTransport extends StubTransport {
  private final IntFunction<MemorySegment> regions;

  /// @param regions those of peers, once they are connected
  CarryingTransport(IntFunction<MemorySegment> regions) {
    this.regions = regions;
  }

  @Override
  public void put(int peer, long remoteOffset, Pieces pieces) {
    long at = remoteOffset;
    for (int piece = 0; piece < pieces.count(); piece++) {
      MemorySegment from = RawMemory.view(pieces.address(piece), pieces.size(piece));
      MemorySegment.copy(from, 0, regions.apply(peer), at, pieces.size(piece));
      at += pieces.size(piece);
    }
  }

  @Override
  public void signal(int peer, long remoteOffset, long value) {
    JAVA_LONG.varHandle().setRelease(regions.apply(peer), remoteOffset, value);
  }
}
