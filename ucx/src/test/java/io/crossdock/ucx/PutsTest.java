package io.crossdock.ucx;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.core.spi.Pieces;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Random;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Puts and signals inside one process, driven by one thread.
///
/// Confined to the thread of the test.
final class PutsTest {
  private static final long REGION_BYTES = 4 << 20;
  private static final long SIGNAL_AT = 64;
  private static final long ROWS_AT = 4096;

  @BeforeAll
  static void needUcx() {
    Ucx.require();
  }

  @ParameterizedTest
  @EnumSource
  void piecesOfOddSizesLieSideBySide(PutsKind kind) {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    try (Arena arena = Arena.ofShared()) {
      MemorySegment source = Ucx.memory(arena, REGION_BYTES);
      MemorySegment target = Ucx.memory(arena, REGION_BYTES);
      try (UcxTransport a = Ucx.open(kind, 0, 2, source);
          UcxTransport b = Ucx.open(kind, 1, 2, target)) {
        Ucx.connect(a, b);
        Pieces pieces = new Pieces();
        for (int round = 1; round <= 60; round++) {
          byte[] expected = fill(source, pieces, random);
          long at = ROWS_AT + random.nextInt(5000);
          a.put(1, at, pieces);
          a.signal(1, SIGNAL_AT, round);
          long number = round;
          Ucx.await(() -> number(target) == number, a, b);
          byte[] seen = target.asSlice(at, expected.length).toArray(JAVA_BYTE);
          assertThat(seen).as("seed=%s, round=%s", seed, round).isEqualTo(expected);
          Ucx.await(() -> a.pending() == 0, a, b);
        }
        assertThat(a.sentBytes()).isGreaterThan(60);
      }
    }
  }

  /// Makes a list of pieces, and tells what their bytes are.
  private static byte[] fill(MemorySegment source, Pieces pieces, Random random) {
    int[] sizes = {0, 1, 7, 8, 13, 127, 128, 129, 14336, 70_001, 300_000};
    pieces.clear();
    int count = random.nextInt(70);
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    for (int piece = 0; piece < count && bytes.size() < 1 << 20; piece++) {
      int size = sizes[random.nextInt(sizes.length)];
      long offset = random.nextInt((int) REGION_BYTES - size);
      byte[] row = new byte[size];
      random.nextBytes(row);
      // Rows may overlap, so what is sent is read back below.
      MemorySegment.copy(MemorySegment.ofArray(row), 0, source, offset, size);
      pieces.add(source, offset, size);
      bytes.write(row, 0, size);
    }
    ByteArrayOutputStream sent = new ByteArrayOutputStream();
    for (int piece = 0; piece < pieces.count(); piece++) {
      long offset = pieces.address(piece) - source.address();
      byte[] row = source.asSlice(offset, pieces.size(piece)).toArray(JAVA_BYTE);
      sent.write(row, 0, row.length);
    }
    return sent.toByteArray();
  }

  private static long number(MemorySegment region) {
    return (long) JAVA_LONG.varHandle().getAcquire(region, SIGNAL_AT);
  }

  @ParameterizedTest
  @EnumSource
  void threeRanksSignalEachOther(PutsKind kind) {
    try (Arena arena = Arena.ofShared()) {
      MemorySegment[] regions = new MemorySegment[3];
      UcxTransport[] all = new UcxTransport[3];
      for (int rank = 0; rank < 3; rank++) {
        regions[rank] = Ucx.memory(arena, REGION_BYTES);
        all[rank] = Ucx.open(kind, rank, 3, regions[rank]);
      }
      Ucx.connect(all);
      for (int pair = 0; pair < 9; pair++) {
        int rank = pair / 3;
        if (pair % 3 != rank) {
          all[rank].signal(pair % 3, 8L * rank, 100 + rank);
        }
      }
      for (int pair = 0; pair < 9; pair++) {
        MemorySegment region = regions[pair / 3];
        int from = pair % 3;
        long expected = from == pair / 3 ? 0 : 100 + from;
        Ucx.await(() -> region.get(JAVA_LONG, 8L * from) == expected, all);
      }
      for (UcxTransport transport : all) {
        transport.close();
        transport.close();
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void whatLiesOutsideIsRefusedAtHome(PutsKind kind) {
    try (Arena arena = Arena.ofShared()) {
      MemorySegment memory = Ucx.memory(arena, 4096);
      try (UcxTransport a = Ucx.open(kind, 0, 2, memory);
          UcxTransport b = Ucx.open(kind, 1, 2, Ucx.memory(arena, 4096))) {
        Pieces pieces = new Pieces().add(memory, 0, 100);
        assertThatThrownBy(() -> a.put(1, 0, pieces)).isInstanceOf(IllegalStateException.class);
        Ucx.connect(a, b);
        assertThatThrownBy(() -> a.put(1, 4000, pieces))
            .isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> a.signal(1, 4, 1)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> a.signal(1, -8, 1)).isInstanceOf(IndexOutOfBoundsException.class);
      }
    }
  }
}
