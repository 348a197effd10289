package io.crossdock.core.spi;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;

class PiecesTest {
  @Test
  void piecesThatTouchBecomeOne() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment memory = arena.allocate(400);
      Pieces pieces = new Pieces();
      pieces.add(memory, 0, 100).add(memory, 100, 50).add(memory, 200, 8).add(memory, 300, 0);
      assertThat(pieces.count()).isEqualTo(2);
      assertThat(pieces.size(0)).isEqualTo(150);
      assertThat(pieces.address(1)).isEqualTo(memory.address() + 200);
      assertThat(pieces.byteSize()).isEqualTo(158);
      assertThat(pieces.clear().count()).isZero();
      assertThat(pieces.byteSize()).isZero();
    }
  }

  @Test
  void theListGrows() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment memory = arena.allocate(1000);
      Pieces pieces = new Pieces();
      for (int i = 0; i < 100; i++) {
        pieces.add(memory, i * 10L, 5);
      }
      assertThat(pieces.count()).isEqualTo(100);
      assertThat(pieces.address(99)).isEqualTo(memory.address() + 990);
    }
  }

  @Test
  void aPieceLiesInItsMemory() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment memory = arena.allocate(10);
      assertThatThrownBy(() -> new Pieces().add(memory, 5, 6))
          .isInstanceOf(IndexOutOfBoundsException.class);
    }
  }
}
