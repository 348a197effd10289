package io.crossdock.ucx;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.spi.Pieces;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Random puts and signals in both directions at once, a thread for each side: whoever sees a
/// signal sees all that was put before it.
///
/// Confined to the thread of the test.
final class StressTest {
  private static final int ROUNDS = 3_000;
  private static final int SLOTS = 8;
  private static final int SLOT_BYTES = 128 << 10;
  private static final int MARK_AT = 0;
  private static final int ACK_AT = 64;
  private static final int SLOTS_AT = 4096;
  private static final int REGION_BYTES = SLOTS_AT + SLOTS * SLOT_BYTES;
  private static final VarHandle NUMBER = JAVA_LONG.varHandle();

  @BeforeAll
  static void needUcx() {
    Ucx.require();
  }

  @ParameterizedTest
  @EnumSource
  void signalsComeBehindTheirPuts(PutsKind kind) throws Exception {
    long seed = System.nanoTime();
    try (Arena arena = Arena.ofShared()) {
      Side[] sides = new Side[2];
      for (int rank = 0; rank < 2; rank++) {
        MemorySegment region = Ucx.memory(arena, REGION_BYTES);
        UcxTransport transport = Ucx.open(kind, rank, 2, region);
        sides[rank] = new Side(rank, seed, transport, region, Ucx.memory(arena, REGION_BYTES));
      }
      Ucx.connect(sides[0].transport, sides[1].transport);
      CompletableFuture<Void> other = CompletableFuture.runAsync(sides[1]::run);
      try {
        sides[0].run();
      } finally {
        other.get(60, TimeUnit.SECONDS);
      }
      Ucx.await(
          () -> sides[0].transport.pending() + sides[1].transport.pending() == 0,
          sides[0].transport,
          sides[1].transport);
      sides[0].transport.close();
      sides[1].transport.close();
      assertThat(sides[0].numSeen + sides[1].numSeen).isEqualTo(2 * ROUNDS);
    }
  }

  /// One rank: sends its rounds, and checks those of the other.
  ///
  /// Confined to one thread at a time.
  private static final class Side {
    private final int rank;
    private final long seed;
    private final UcxTransport transport;
    private final MemorySegment region;
    private final MemorySegment source;
    private final Pieces pieces = new Pieces();
    private final byte[] row = new byte[SLOT_BYTES];
    private int numSent;
    private int numSeen;

    Side(int rank, long seed, UcxTransport transport, MemorySegment region, MemorySegment source) {
      this.rank = rank;
      this.seed = seed;
      this.transport = transport;
      this.region = region;
      this.source = source;
    }

    void run() {
      long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(50);
      while (numSent < ROUNDS || numSeen < ROUNDS || acknowledged() < ROUNDS) {
        if (numSent < ROUNDS && numSent - acknowledged() < SLOTS) {
          send(++numSent);
        }
        if (numSeen < mark()) {
          see(++numSeen);
        }
        if (!transport.progress()) {
          Thread.yield();
        }
        assertThat(transport.failure(1 - rank)).as("seed=%s", seed).isNull();
        assertThat(System.nanoTime() - deadline).as("time, seed=%s", seed).isNegative();
      }
    }

    private long mark() {
      return (long) NUMBER.getAcquire(region, (long) MARK_AT);
    }

    private long acknowledged() {
      return (long) NUMBER.getAcquire(region, (long) ACK_AT);
    }

    private Random random(int sender, int round) {
      return new Random(seed + 31L * round + sender);
    }

    /// A slot is written in puts of some pieces each, with gaps between the pieces at home only.
    private void send(int round) {
      Random random = random(rank, round);
      int start = SLOTS_AT + round % SLOTS * SLOT_BYTES;
      int size = size(random);
      random.nextBytes(row);
      MemorySegment.copy(row, 0, source, JAVA_BYTE, start, size);
      int at = start;
      while (at < start + size) {
        int putBytes = Math.min(1 + random.nextInt(40_000), start + size - at);
        cut(random, at, putBytes);
        transport.put(1 - rank, at, pieces);
        at += putBytes;
      }
      transport.signal(1 - rank, MARK_AT, round);
    }

    private void cut(Random random, int start, int bytes) {
      pieces.clear();
      int done = 0;
      while (done < bytes) {
        int piece = Math.min(1 + random.nextInt(9_000), bytes - done);
        pieces.add(source, start + done, piece);
        done += piece;
      }
    }

    private static int size(Random random) {
      return switch (random.nextInt(4)) {
        case 0 -> random.nextInt(9);
        case 1 -> 120 + random.nextInt(20);
        case 2 -> 14336 + random.nextInt(3);
        default -> random.nextInt(SLOT_BYTES);
      };
    }

    private void see(int round) {
      Random random = random(1 - rank, round);
      int start = SLOTS_AT + round % SLOTS * SLOT_BYTES;
      int size = size(random);
      random.nextBytes(row);
      MemorySegment expected = MemorySegment.ofArray(row);
      long mismatch = MemorySegment.mismatch(expected, 0, size, region, start, (long) start + size);
      assertThat(mismatch).as("seed=%s, round=%s, size=%s", seed, round, size).isEqualTo(-1);
      transport.signal(1 - rank, ACK_AT, round);
    }
  }
}
