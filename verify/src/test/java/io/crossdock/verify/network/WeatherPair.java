package io.crossdock.verify.network;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.crossdock.core.Mode;
import io.crossdock.core.spi.Pieces;
import io.crossdock.core.spi.TransportSettings;
import io.crossdock.verify.harness.Bounded;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;
import java.time.Duration;
import java.util.List;
import java.util.function.BooleanSupplier;

/// Some connected transports of one thread, with a region and a source of bytes each.
///
/// Confined to one thread.
final class WeatherPair implements AutoCloseable {
  static final int REGION_BYTES = 1 << 16;
  private static final Duration PATIENCE = Duration.ofSeconds(20);
  private static final VarHandle LONG = JAVA_LONG.varHandle();

  private final Arena arena = Arena.ofShared();
  private final WeatherTransport[] transports;
  private final MemorySegment[] regions;
  private final MemorySegment[] sources;
  private final Pieces pieces = new Pieces();

  WeatherPair(int numRanks) {
    transports = new WeatherTransport[numRanks];
    regions = new MemorySegment[numRanks];
    sources = new MemorySegment[numRanks];
    for (int rank = 0; rank < numRanks; rank++) {
      regions[rank] = arena.allocate(REGION_BYTES, 8);
      sources[rank] = arena.allocate(REGION_BYTES, 8);
      TransportSettings settings =
          new TransportSettings(Mode.NORMAL, rank, numRanks, 1, true, PATIENCE);
      transports[rank] = (WeatherTransport) new WeatherProvider().open(settings, regions[rank]);
    }
  }

  WeatherPair connected() {
    for (WeatherTransport transport : transports) {
      for (int peer = 0; peer < transports.length; peer++) {
        if (transports[peer] != transport) {
          transport.connect(peer, transports[peer].offer());
        }
      }
    }
    await("all are connected", this::areConnected);
    return this;
  }

  private boolean areConnected() {
    for (int rank = 0; rank < transports.length; rank++) {
      for (int peer = 0; peer < transports.length; peer++) {
        if (peer != rank && !transports[rank].isConnected(peer)) {
          return false;
        }
      }
    }
    return true;
  }

  /// Makes progress on all ranks until something holds.
  void await(String what, BooleanSupplier condition) {
    Bounded.await(
        what,
        PATIENCE,
        () -> {
          List.of(transports).forEach(WeatherTransport::progress);
          return condition.getAsBoolean();
        });
  }

  WeatherTransport of(int rank) {
    return transports[rank];
  }

  MemorySegment region(int rank) {
    return regions[rank];
  }

  MemorySegment source(int rank) {
    return sources[rank];
  }

  long load(int rank, long offset) {
    return (long) LONG.getAcquire(regions[rank], offset);
  }

  /// Puts bytes of a rank's source to the same place of a peer's region.
  void put(int rank, int peer, long offset, long bytes) {
    transports[rank].put(peer, offset, pieces.clear().add(sources[rank], offset, bytes));
  }

  @Override
  public void close() {
    for (WeatherTransport transport : transports) {
      transport.close();
    }
    arena.close();
  }
}
