package io.crossdock.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class BufferSpecTest {
  @Test
  void theDefaultsAreThoseOfTheDocumentation() {
    BufferSpec spec = BufferSpec.builder().build();
    assertThat(spec)
        .isEqualTo(
            new BufferSpec(
                4096,
                7168,
                8,
                256,
                DType.BF16,
                2,
                2,
                0,
                Mode.NORMAL,
                false,
                1,
                Duration.ofSeconds(300),
                Duration.ofSeconds(100)));
  }

  @Test
  void theBuilderSetsEveryComponent() {
    BufferSpec spec =
        BufferSpec.builder()
            .numMaxTokensPerRank(1)
            .hidden(16)
            .topk(3)
            .numExperts(4)
            .dtype(DType.F32)
            .windows(5, 6)
            .capacityRows(7)
            .mode(Mode.LOW_LATENCY)
            .enableShrink(true)
            .numQpsPerRank(8)
            .hostTimeout(Duration.ofMillis(9))
            .gpuTimeout(Duration.ofMillis(10))
            .build();
    Duration host = Duration.ofMillis(9);
    Duration gpu = Duration.ofMillis(10);
    assertThat(spec)
        .isEqualTo(
            new BufferSpec(1, 16, 3, 4, DType.F32, 5, 6, 7, Mode.LOW_LATENCY, true, 8, host, gpu));
  }

  static Stream<Arguments> refused() {
    return Stream.of(
        refused("numMaxTokensPerRank=-1", b -> b.numMaxTokensPerRank(-1)),
        refused("expected=<= 268435455", b -> b.numMaxTokensPerRank((1 << 28))),
        refused("hidden=0", b -> b.hidden(0)),
        refused("hidden=-8", b -> b.hidden(-8)),
        refused("hidden=100", b -> b.hidden(100)),
        refused("topk=0", b -> b.topk(0)),
        refused("topk=33", b -> b.topk(33)),
        refused("topk=8, expected=<= numExperts=7", b -> b.numExperts(7)),
        refused("numExperts=0", b -> b.topk(1).numExperts(0)),
        refused("numReceiveWindows=0", b -> b.windows(0, 1)),
        refused("numOutputWindows=0", b -> b.windows(1, 0)),
        refused("capacityRows=-1", b -> b.capacityRows(-1)),
        refused("numQpsPerRank=0", b -> b.numQpsPerRank(0)),
        refused("dtype=FP8_E4M3", b -> b.dtype(DType.FP8_E4M3)),
        refused("dtype=I32", b -> b.dtype(DType.I32)),
        refused("hostTimeout=PT0S", b -> b.hostTimeout(Duration.ZERO)),
        refused(
            "hostTimeout=PT2562047788015", b -> b.hostTimeout(Duration.ofSeconds(Long.MAX_VALUE))),
        refused("gpuTimeout=PT-1S", b -> b.gpuTimeout(Duration.ofSeconds(-1))));
  }

  private static Arguments refused(String fact, UnaryOperator<BufferSpecBuilder> change) {
    return Arguments.of(fact, change);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource
  void refused(String fact, Object change) {
    @SuppressWarnings("unchecked")
    UnaryOperator<BufferSpecBuilder> operator = (UnaryOperator<BufferSpecBuilder>) change;
    BufferSpecBuilder builder = operator.apply(BufferSpec.builder());
    assertThatThrownBy(builder::build)
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining(fact);
  }

  @Test
  void moreRowsThanCanBeCountedAreRefused() {
    BufferSpec most = BufferSpec.builder().numMaxTokensPerRank((1 << 28) - 1).build();
    most.checkGroup(8);
    assertThatThrownBy(() -> most.checkGroup(16))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("numMaxTokensPerRank=268435455, numRanks=16, maxRows=2147483647");
  }

  @Test
  void theSmallestSpecIsLegal() {
    BufferSpec spec =
        BufferSpec.builder().numMaxTokensPerRank(0).hidden(8).topk(1).numExperts(1).build();
    assertThat(spec.windowRows(1)).isEqualTo(1);
    assertThat(spec.maxRowBytes()).isEqualTo(16);
    assertThat(spec.maxScaleBytes()).isEqualTo(4);
  }

  @Test
  void aWindowHoldsTheWorstCaseUnlessTold() {
    assertThat(BufferSpec.builder().build().windowRows(8)).isEqualTo(32_768);
    assertThat(BufferSpec.builder().capacityRows(1000).build().windowRows(8)).isEqualTo(1000);
  }

  /// Receive row 7168 * 2 + 56 * 4 + 8 * 12 + 4 = 14660, output row 7168 * 2 + 8 * 4 = 14368; two
  /// windows of each, 8 * 4096 rows.
  @Test
  void theHintOfNormalModeCountsEveryWindow() {
    BufferSpec spec = BufferSpec.builder().build();
    long hint = spec.sizeHint(Mode.NORMAL, Domain.SCALE_UP, 8);
    assertThat(hint).isEqualTo(32_768L * (2 * 14_660 + 2 * 14_368)).isEqualTo(1_902_379_008L);
    assertThat(spec.sizeHint(Mode.NORMAL, Domain.SCALE_OUT, 8)).isZero();
    BufferSpec one = BufferSpec.builder().windows(1, 3).dtype(DType.F32).capacityRows(10).build();
    assertThat(one.sizeHint(Mode.NORMAL, Domain.SCALE_UP, 8))
        .isEqualTo(10L * (14_660 + 14_336 + 3 * 14_368));
  }

  /// 256 experts * 128 tokens, two sets of (max(14336, 7168 + 224) + 16) + 14336 bytes.
  @Test
  void theHintOfLowLatencyModeCountsSlots() {
    BufferSpec spec = BufferSpec.builder().numMaxTokensPerRank(128).build();
    assertThat(spec.laneSlots(8)).isEqualTo(128 * 8);
    assertThat(spec.laneSlots(256)).isEqualTo(128);
    assertThat(spec.sizeHint(Mode.LOW_LATENCY, Domain.SCALE_OUT, 8))
        .isEqualTo(8_192L * 2 * (14_564 + 14_560))
        .isEqualTo(spec.sizeHint(Mode.LOW_LATENCY, Domain.SCALE_UP, 8));
  }

  @Test
  void hintsBeyondTwoToTheThirtyOneAreExact() {
    BufferSpec spec = BufferSpec.builder().numMaxTokensPerRank(524_288).windows(1, 1).build();
    assertThat(spec.windowRows(1024)).isEqualTo(536_870_912L);
    assertThat(spec.sizeHint(Mode.NORMAL, Domain.SCALE_UP, 1024))
        .isEqualTo(536_870_912L * (14_660 + 14_368));
  }

  @ParameterizedTest
  @CsvSource({"256, 1", "256, 8", "255, 5", "252, 7", "1024, 1", "2048, 2"})
  void anyGroupThatDividesTheExpertsFits(int numExperts, int numRanks) {
    BufferSpec.builder().numExperts(numExperts).build().checkGroup(numRanks);
  }

  @ParameterizedTest
  @CsvSource({"256, 3", "8, 16", "1025, 1", "4096, 2", "256, 0", "256, -4"})
  void otherGroupsAreRefused(int numExperts, int numRanks) {
    BufferSpec spec = BufferSpec.builder().numExperts(numExperts).build();
    assertThatThrownBy(() -> spec.checkGroup(numRanks))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("numExperts=" + numExperts + ", numRanks=" + numRanks);
  }

  @Test
  void windowsMayBeGivenByTheirBytes() {
    BufferSpec spec = BufferSpec.builder().hidden(64).topk(2).numExperts(4).windows(1, 1).build();
    long row = 64 * 2 + 4 + 2 * 12 + 4 + 64 * 2 + 2 * 4;
    assertThat(spec.withWindowBytes(10 * row + row - 1).capacityRows()).isEqualTo(10);
    assertThat(spec.withWindowBytes(10 * row).sizeHint(Mode.NORMAL, Domain.SCALE_UP, 4))
        .isEqualTo(10 * row);
    assertThatThrownBy(() -> spec.withWindowBytes(row - 1))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("windowBytes=" + (row - 1))
        .hasMessageContaining(">= " + row);
  }
}
