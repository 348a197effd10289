package io.crossdock.ucx;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.spi.Pieces;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Random;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Ranks that were given different sizes of messages send each other what both can take. UCX ends
/// the process that a longer one comes to.
///
/// Confined to the thread of the test.
final class MessageSizeTest {
  private static final String MESSAGE_BYTES = "crossdock.ucx.normal.messageBytes";
  private static final long REGION_BYTES = 4 << 20;
  private static final long SIGNAL_AT = 64;
  private static final long ROWS_AT = 4096;
  private static final long ROW_BYTES = 1_000_003;
  private static final int ROWS = 3;

  @BeforeAll
  static void needUcx() {
    Ucx.require();
  }

  private static UcxTransport open(long messageBytes, int rank, MemorySegment region) {
    System.setProperty(MESSAGE_BYTES, Long.toString(messageBytes));
    try {
      return Ucx.open(PutsKind.MESSAGES, rank, 2, region);
    } finally {
      System.clearProperty(MESSAGE_BYTES);
    }
  }

  @ParameterizedTest
  @CsvSource({"1048576, 4096", "4096, 1048576", "200000, 16777216", "70001, 70001"})
  void bothTakeWhatTheOtherSends(long first, long second) {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    try (Arena arena = Arena.ofShared()) {
      MemorySegment a = Ucx.memory(arena, REGION_BYTES);
      MemorySegment b = Ucx.memory(arena, REGION_BYTES);
      try (UcxTransport left = open(first, 0, a);
          UcxTransport right = open(second, 1, b)) {
        Ucx.connect(left, right);
        byte[] there = put(left, 1, arena, random);
        byte[] back = put(right, 0, arena, random);
        Ucx.await(() -> hasSignal(a) && hasSignal(b), left, right);
        assertThat(rows(b)).as("seed=%s", seed).isEqualTo(there);
        assertThat(rows(a)).as("seed=%s", seed).isEqualTo(back);
        Ucx.await(() -> left.pending() + right.pending() == 0, left, right);
      }
    }
  }

  /// Puts random rows and a signal, and tells the bytes.
  private static byte[] put(UcxTransport from, int to, Arena arena, Random random) {
    byte[] bytes = new byte[(int) (ROWS * ROW_BYTES)];
    random.nextBytes(bytes);
    MemorySegment source = arena.allocateFrom(JAVA_BYTE, bytes);
    Pieces pieces = new Pieces();
    for (int row = 0; row < ROWS; row++) {
      pieces.add(source, row * ROW_BYTES, ROW_BYTES);
    }
    from.put(to, ROWS_AT, pieces);
    from.signal(to, SIGNAL_AT, 1);
    return bytes;
  }

  private static boolean hasSignal(MemorySegment region) {
    return (long) JAVA_LONG.varHandle().getAcquire(region, SIGNAL_AT) == 1;
  }

  private static byte[] rows(MemorySegment region) {
    return region.asSlice(ROWS_AT, ROWS * ROW_BYTES).toArray(JAVA_BYTE);
  }
}
