package io.crossdock.ucx;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.crossdock.core.Mode;
import io.crossdock.core.spi.TransportSettings;
import io.crossdock.ucx.binding.Library;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.function.BooleanSupplier;

/// What tests of the transport share.
///
/// Safe for any thread.
final class Ucx {
  static final Duration TIMEOUT = Duration.ofSeconds(10);
  private static final String PUTS = "crossdock.ucx.normal.puts";

  private Ucx() {}

  /// Skips the test where UCX is missing.
  static void require() {
    assumeTrue(Library.reasons().isEmpty(), () -> "no UCX: " + Library.reasons());
  }

  static UcxTransport open(PutsKind kind, int rank, int numRanks, MemorySegment region) {
    return open(kind, new TransportSettings(Mode.NORMAL, rank, numRanks, 1, true, TIMEOUT), region);
  }

  static UcxTransport open(PutsKind kind, TransportSettings settings, MemorySegment region) {
    String before = System.getProperty(PUTS);
    System.setProperty(PUTS, kind.word());
    try {
      return UcxTransport.open(settings, region);
    } finally {
      if (before == null) {
        System.clearProperty(PUTS);
      } else {
        System.setProperty(PUTS, before);
      }
    }
  }

  static MemorySegment memory(Arena arena, long bytes) {
    return arena.allocate(bytes, 64);
  }

  /// Connects each with each, and waits until they are.
  static void connect(UcxTransport... all) {
    byte[][] offers = new byte[all.length][];
    for (int rank = 0; rank < all.length; rank++) {
      offers[rank] = all[rank].offer();
    }
    for (int rank = 0; rank < all.length; rank++) {
      for (int peer = 0; peer < all.length; peer++) {
        if (peer != rank) {
          all[rank].connect(peer, offers[peer]);
        }
      }
    }
    await(() -> areConnected(all), all);
  }

  private static boolean areConnected(UcxTransport... all) {
    boolean connected = true;
    for (int rank = 0; rank < all.length; rank++) {
      for (int peer = 0; peer < all.length; peer++) {
        connected &= peer == rank || all[rank].isConnected(peer);
      }
    }
    return connected;
  }

  /// Makes progress on all until something holds.
  static void await(BooleanSupplier condition, UcxTransport... all) {
    long deadline = System.nanoTime() + TIMEOUT.toNanos();
    while (!condition.getAsBoolean()) {
      for (UcxTransport transport : all) {
        transport.progress();
      }
      if (System.nanoTime() - deadline > 0) {
        throw new AssertionError("did not come: waitedSeconds=" + TIMEOUT.toSeconds());
      }
    }
  }
}
