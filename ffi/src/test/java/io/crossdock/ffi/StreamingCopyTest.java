package io.crossdock.ffi;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class StreamingCopyTest {
  private static final byte GAP = 0x55;

  @Test
  void isAvailableOnEveryX86MachineWithAvx() throws Exception {
    String cpu = Files.readString(Path.of("/proc/cpuinfo"));
    boolean avx = System.getProperty("os.arch").equals("amd64") && cpu.contains(" avx ");
    assertThat(StreamingCopy.isAvailable()).isEqualTo(avx);
  }

  @Test
  void copiesWhatItIsToldAndNothingBeside() {
    SplittableRandom random = new SplittableRandom(11);
    for (long bytes : new long[] {0, 1, 63, 64, 127, 128, 129, 191, 192, 500, 14_336, 40_000}) {
      for (int offset = 0; offset < 70; offset++) {
        check(random, bytes, offset, 69 - offset);
      }
    }
  }

  private static void check(SplittableRandom random, long bytes, long fromOffset, long toOffset) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment from = arena.allocate(bytes + 140, 64);
      for (long i = 0; i < from.byteSize(); i++) {
        from.set(JAVA_BYTE, i, (byte) random.nextInt());
      }
      MemorySegment to = arena.allocate(bytes + 140, 64).fill(GAP);
      StreamingCopy.copy(from, fromOffset, to, toOffset, bytes);
      String facts = "bytes=" + bytes + ", from=" + fromOffset + ", to=" + toOffset;
      long end = toOffset + bytes;
      assertThat(MemorySegment.mismatch(from, fromOffset, fromOffset + bytes, to, toOffset, end))
          .as(facts)
          .isEqualTo(-1);
      for (long i = 0; i < to.byteSize(); i++) {
        if (i < toOffset || i >= end) {
          assertThat(to.get(JAVA_BYTE, i)).as("%s, at=%d", facts, i).isEqualTo(GAP);
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource(GuardedMemory.Edge.class)
  void touchesNoPageBeside(GuardedMemory.Edge edge) {
    for (long bytes : new long[] {128, 333, 4096, 14_336}) {
      try (GuardedMemory from = GuardedMemory.allocate(bytes, edge);
          GuardedMemory to = GuardedMemory.allocate(bytes, edge)) {
        from.segment().fill((byte) 3);
        StreamingCopy.copy(from.segment(), 0, to.segment(), 0, bytes);
        assertThat(to.segment().mismatch(from.segment())).isEqualTo(-1);
      }
    }
  }

  @Test
  void takesHeapMemoryAsSource() {
    byte[] bytes = new byte[1000];
    bytes[999] = 9;
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment to = arena.allocate(1000, 64);
      StreamingCopy.copy(MemorySegment.ofArray(bytes), 0, to, 0, 1000);
      assertThat(to.get(JAVA_BYTE, 999)).isEqualTo((byte) 9);
    }
  }

  @Test
  void refusesWhatMemorySegmentRefuses() {
    Arena gone = Arena.ofShared();
    MemorySegment freed = gone.allocate(1000);
    gone.close();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment good = arena.allocate(1000, 64);
      assertThatThrownBy(() -> StreamingCopy.copy(good, 1, good, 0, 1000))
          .isInstanceOf(IndexOutOfBoundsException.class);
      assertThatThrownBy(() -> StreamingCopy.copy(good, 0, good, -64, 1000))
          .isInstanceOf(IndexOutOfBoundsException.class);
      assertThatThrownBy(() -> StreamingCopy.copy(freed, 0, good, 0, 1000))
          .isInstanceOf(IllegalStateException.class);
      assertThatThrownBy(() -> StreamingCopy.copy(good, 0, freed, 0, 1000))
          .isInstanceOf(IllegalStateException.class);
      assertThatThrownBy(() -> StreamingCopy.copy(good, 0, good.asReadOnly(), 0, 1000))
          .isInstanceOf(IllegalArgumentException.class);
    }
  }
}
