package io.crossdock.cuda.driver;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;

/// The words that the driver reads, where a C compiler for x86-64 puts them.
class AllocationStructsTest {
  private static final int ORDINAL = 7;
  private static final int GARBAGE = -1;

  @Test
  void propertiesAskForPinnedMemoryOfAGpuWithAFabricHandle() {
    assertThat(words(to -> AllocationStructs.properties(to, ORDINAL, HandleType.FABRIC)))
        .containsExactly(1, 8, 1, ORDINAL, 0, 0, 0, 0);
  }

  @Test
  void accessIsToReadAndWrite() {
    assertThat(words(to -> AllocationStructs.access(to, ORDINAL))).containsExactly(1, ORDINAL, 3);
  }

  /// What is written into memory that is not zero.
  private static int[] words(UnaryOperator<MemorySegment> write) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment memory = arena.allocate(Scratch.BYTES).fill((byte) GARBAGE);
      MemorySegment struct = write.apply(memory);
      assertThat(struct.address()).isEqualTo(memory.address());
      assertThat(memory.asSlice(struct.byteSize()).toArray(JAVA_INT)).containsOnly(GARBAGE);
      return struct.toArray(JAVA_INT);
    }
  }
}
