package io.crossdock.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

class LayoutTest {
  @Test
  void itsTensorsHaveTheSizesAskedFor() {
    Layout layout = Layout.allocate(Arena.ofAuto(), new Layout.Sizes(10, 4, 2, 8));
    assertThat(layout.numTokens()).isZero();
    assertThat(layout.maxTokens()).isEqualTo(10);
    assertThat(layout.numRanks()).isEqualTo(4);
    assertThat(layout.numExperts()).isEqualTo(8);
    assertThat(layout.tokensPerRank().shape()).containsExactly(4);
    assertThat(layout.tokensPerNode().orElseThrow().shape()).containsExactly(2);
    assertThat(layout.tokensPerExpert().shape()).containsExactly(8);
    assertThat(layout.tokenInRank().shape()).containsExactly(0, 4);
    layout.filled(3, new FakeMemory());
    assertThat(layout.tokenInRank().shape()).containsExactly(3, 4);
  }

  @Test
  void onOneNodeThereIsNoCountOfNodes() {
    Layout layout = Layout.allocate(Arena.ofAuto(), new Layout.Sizes(1, 4, 1, 8));
    assertThat(layout.tokensPerNode()).isEmpty();
  }

  @Test
  void countsAreReadByIndex() {
    Layout layout = Layout.allocate(Arena.ofAuto(), new Layout.Sizes(10, 4, 1, 8));
    layout.tokensPerRank().segment().setAtIndex(ValueLayout.JAVA_INT, 3, 5);
    layout.tokensPerExpert().segment().setAtIndex(ValueLayout.JAVA_INT, 7, 6);
    assertThat(layout.tokensToRank(3)).isEqualTo(5);
    assertThat(layout.tokensToExpert(7)).isEqualTo(6);
  }

  /// Counts how often something is brought to the host: always the counts 10, 11 and so on.
  private static final class FakeMemory implements EngineMemory {
    private int downloads;

    @Override
    public Device device() {
      return Device.cuda(0);
    }

    @Override
    public SegmentAllocator allocator() {
      return Arena.ofAuto();
    }

    @Override
    public Tensor toDevice(Tensor host) {
      return host;
    }

    @Override
    public Tensor toHost(Tensor tensor) {
      int[] counts = new int[(int) tensor.numElements()];
      Arrays.setAll(counts, i -> 10 + i + downloads);
      downloads++;
      return Tensor.of(MemorySegment.ofArray(counts), DType.I32, counts.length);
    }

    @Override
    public void copy(Tensor from, Tensor to) {
      throw new AssertionError("nothing is copied");
    }
  }

  @Test
  void countsOnADeviceAreBroughtToTheHostOnceAFilling() {
    FakeMemory memory = new FakeMemory();
    Layout layout = Layout.allocate(Arena.ofAuto(), new Layout.Sizes(10, 4, 1, 8));
    layout.filled(5, memory);
    assertThat(memory.downloads).isZero();
    assertThat(layout.tokensToRank(0)).isEqualTo(10);
    assertThat(layout.tokensToRank(3)).isEqualTo(13);
    assertThat(memory.downloads).isEqualTo(1);
    assertThat(layout.tokensToExpert(7)).isEqualTo(18);
    assertThat(layout.tokensToExpert(0)).isEqualTo(11);
    assertThat(memory.downloads).isEqualTo(2);
    layout.filled(6, memory);
    assertThat(layout.tokensToRank(0)).isEqualTo(12);
    assertThat(memory.downloads).isEqualTo(3);
  }

  @Test
  void moreTokensThanFitAreRefused() {
    Layout layout = Layout.allocate(Arena.ofAuto(), new Layout.Sizes(10, 4, 1, 8));
    assertThatThrownBy(() -> layout.filled(11, new FakeMemory()))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("numTokens=11, maxTokens=10");
    assertThatThrownBy(() -> layout.filled(-1, new FakeMemory()))
        .isInstanceOf(InvalidInputException.class);
    assertThat(layout.numTokens()).isZero();
  }
}
