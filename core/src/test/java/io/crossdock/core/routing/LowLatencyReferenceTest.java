package io.crossdock.core.routing;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.core.CombineFormat;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.LowLatencyFormat;
import io.crossdock.core.format.Bf16;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/// Low-latency calls small enough to follow by hand.
class LowLatencyReferenceTest {
  private static final float HALF_STEP = 0x1p-8f; // half the distance from 1 to the next BF16
  private static final float HUGE = 0x1p100f;
  private static final LowLatencySpec TWO_RANKS =
      LowLatencySpec.of(Topology.oneNode(2, 4), 3, LowLatencyFormat.BF16);

  /// Experts 0 and 1 live on rank 0, 2 and 3 on rank 1. Numbers are the tokens' only channel.
  private static final List<RankInput> INPUTS =
      List.of(
          input(2, new long[] {3, 0, 2, -1, 0, 3}, 10, 11, 12),
          input(2, new long[] {1, 3, -1, -1}, 20, 21));

  @Test
  void rowsArePackedByExpertSourceAndToken() {
    ReferenceLowLatencyDispatch zero = RoutingReference.lowLatencyDispatch(INPUTS, TWO_RANKS, 0);
    assertThat(zero.recvCount()).containsExactly(2, 1);
    assertThat(floats(zero.recvRows().get(0))).containsExactly(10, 12);
    assertThat(floats(zero.recvRows().get(1))).containsExactly(20);
    assertThat(zero.srcInfo()).containsExactly(new int[] {0, 2}, new int[] {0});
    assertThat(zero.layoutBegin()).containsExactly(0, 2, 0, 0);
    assertThat(zero.layoutCount()).containsExactly(2, 0, 0, 1);
    ReferenceLowLatencyDispatch one = RoutingReference.lowLatencyDispatch(INPUTS, TWO_RANKS, 1);
    assertThat(one.recvCount()).containsExactly(1, 3);
    assertThat(floats(one.recvRows().get(0))).containsExactly(11);
    assertThat(floats(one.recvRows().get(1))).containsExactly(10, 12, 20);
    assertThat(one.layoutBegin()).containsExactly(0, 1, 0, 2);
    assertThat(one.layoutCount()).containsExactly(1, 0, 2, 1);
    assertThat(one.rowOf(1, 1, 0)).isEqualTo(2);
    assertThat(one.rowOf(1, 0, 1)).isEqualTo(-1);
  }

  @Test
  void aMaskedRankSendsNothingAndGetsNothing() {
    LowLatencySpec alone = TWO_RANKS.withAbsent(Set.of(0));
    ReferenceLowLatencyDispatch one = RoutingReference.lowLatencyDispatch(INPUTS, alone, 1);
    assertThat(one.recvCount()).containsExactly(0, 1);
    assertThat(one.layoutCount()).containsExactly(0, 0, 0, 1);
    assertThat(floats(one.recvRows().get(1))).containsExactly(20);
    assertThat(LowLatencyTraffic.of(1, INPUTS.get(1), alone))
        .isEqualTo(new LowLatencyTraffic(1, 0));
    assertThatThrownBy(() -> RoutingReference.lowLatencyDispatch(INPUTS, alone, 0))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("rank=0");
  }

  /// 512 channels of which the last group is 1 and the others 448: scales 1, 1, 1 and 2^-8, since
  /// 1/448 lies between 2^-9 and 2^-8.
  @Test
  void packedScalesAreExponentBytes() {
    float[] row = new float[512];
    Arrays.fill(row, 448);
    Arrays.fill(row, 384, 512, 1);
    LowLatencySpec spec = LowLatencySpec.of(Topology.oneNode(1, 1), 1, LowLatencyFormat.FP8_UE8M0);
    MemorySegment bytes = MemorySegment.ofArray(new byte[1024]);
    Bf16.encodeRow(row, bytes);
    RankInput only = RankInput.of(1, 1024, bytes).withTopk(1, new long[] {0}, null);
    ReferenceLowLatencyDispatch got = RoutingReference.lowLatencyDispatch(List.of(only), spec, 0);
    assertThat(got.recvScales().getFirst().toArray(JAVA_BYTE)).containsExactly(127, 127, 127, 119);
    byte most = 0x7e; // 448
    byte power = 0x78; // 256
    assertThat(got.recvRows().getFirst().get(JAVA_BYTE, 0)).isEqualTo(most);
    assertThat(got.recvRows().getFirst().get(JAVA_BYTE, 511)).isEqualTo(power);
  }

  @Test
  void aRankMayHaveAThousandExpertsAndATokenThirtyTwoChoices() {
    LowLatencySpec spec = LowLatencySpec.of(Topology.oneNode(2, 2048), 1, LowLatencyFormat.BF16);
    long[] ids = new long[32];
    for (int k = 0; k < ids.length; k++) {
      ids[k] = k % 2 == 0 ? 2047 - k : k;
    }
    List<RankInput> inputs = List.of(input(32, ids, 5), input(32, new long[0]));
    int[] zero = RoutingReference.lowLatencyDispatch(inputs, spec, 0).recvCount();
    int[] one = RoutingReference.lowLatencyDispatch(inputs, spec, 1).recvCount();
    assertThat(zero).hasSize(1024);
    for (int local = 0; local < 1024; local++) {
      assertThat(zero[local]).isEqualTo(local < 32 && local % 2 == 1 ? 1 : 0);
      assertThat(one[local]).isEqualTo(local > 991 && local % 2 == 1 ? 1 : 0);
    }
  }

  @Test
  void whatNoBufferTakesIsRefused() {
    RankInput four = input(1, new long[] {0, 0, 0, 0}, 1, 2, 3, 4);
    assertRefused(four, "tokens=4");
    assertRefused(input(1, new long[] {4}, 1), "expert=4");
    LowLatencySpec fp8 = LowLatencySpec.of(Topology.oneNode(2, 4), 3, LowLatencyFormat.FP8);
    assertThatThrownBy(() -> RoutingReference.lowLatencyDispatch(INPUTS, fp8, 0))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("hidden=1");
  }

  private static void assertRefused(RankInput input, String fact) {
    List<RankInput> inputs = List.of(input, INPUTS.get(1));
    assertThatThrownBy(() -> RoutingReference.lowLatencyDispatch(inputs, TWO_RANKS, 0))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining(fact);
  }

  @Test
  void answersAreAddedInTheOrderOfChoices() {
    assertThat(combine(Set.of(), HUGE, -HUGE, 1)).isEqualTo(1);
    assertThat(combine(Set.of(), 1, HUGE, -HUGE)).isEqualTo(0);
    assertThat(combine(Set.of(), 1, HALF_STEP, HALF_STEP)).isEqualTo(1 + 2 * HALF_STEP);
    assertThat(combine(Set.of(), 1, HALF_STEP)).isEqualTo(1);
  }

  /// Choices of rank 2 are not asked for; what it would answer must not show, not even a NaN.
  @Test
  void maskedOwnersAndMissingRoutesContributeNothing() {
    assertThat(combine(Set.of(2), 1, 2, Float.NaN)).isEqualTo(3);
    assertThat(combine(Set.of(1), HUGE, -HUGE, 1)).isEqualTo(HUGE);
    assertThat(Float.floatToRawIntBits(combine(Set.of(), -0f))).isZero();
    assertThat(Float.floatToRawIntBits(combine(Set.of(0, 1, 2), 1, 2, 3))).isZero();
  }

  /// (1 + 2^-12)^2 - (1 + 2^-11) is 2^-24 if the product is not rounded, else 0.
  @Test
  void productsAreNotRounded() {
    float weight = 1 + 0x1p-12f;
    RankInput token = input(2, new long[] {1, 0}, 0);
    RankInput weighted = token.withTopk(2, token.topkIdx(), new float[] {1, weight});
    ExpertRows outputs =
        (home, index, expert, values) -> values[0] = expert == 1 ? -(1 + 0x1p-11f) : weight;
    assertThat(value(weighted, outputs, TWO_RANKS)).isEqualTo(0x1p-24f);
  }

  /// A token of rank 0 whose k-th choice is expert k on rank k, with weight 1.
  private static float combine(Set<Integer> absent, float... answers) {
    LowLatencySpec spec =
        LowLatencySpec.of(Topology.oneNode(3, 3), 1, LowLatencyFormat.BF16).withAbsent(absent);
    long[] ids = {-1, -1, -1};
    for (int k = 0; k < answers.length; k++) {
      ids[k] = k;
    }
    RankInput token = input(3, ids, 0);
    return value(token, (home, index, expert, values) -> values[0] = answers[expert], spec);
  }

  private static float value(RankInput token, ExpertRows outputs, LowLatencySpec spec) {
    ReferenceCombine got = RoutingReference.lowLatencyCombine(0, token, outputs, spec);
    assertThat(got.combinedTopkWeights()).isEmpty();
    return floats(got.combinedX())[0];
  }

  /// SPEC section 9 at H = 7168: 7168 + 224 + 16, 2 * 7168, 8960 + 224.
  @Test
  void bytesOfASelection() {
    assertThat(LowLatencyTraffic.dispatchBytes(LowLatencyFormat.BF16, 7168)).isEqualTo(14336);
    for (LowLatencyFormat format : LowLatencyFormat.values()) {
      long bytes = LowLatencyTraffic.dispatchBytes(format, 7168);
      assertThat(bytes).isEqualTo(format == LowLatencyFormat.BF16 ? 14336 : 7408);
    }
    assertThat(LowLatencyTraffic.combineBytes(CombineFormat.BF16, 7168)).isEqualTo(14336);
    assertThat(LowLatencyTraffic.combineBytes(CombineFormat.LOGFMT10, 7168)).isEqualTo(9184);
  }

  @Test
  void selectionsThatLeaveTheRankAreCounted() {
    assertThat(LowLatencyTraffic.of(0, INPUTS.get(0), TWO_RANKS))
        .isEqualTo(new LowLatencyTraffic(5, 3));
    assertThat(LowLatencyTraffic.of(1, INPUTS.get(1), TWO_RANKS))
        .isEqualTo(new LowLatencyTraffic(2, 1));
  }

  /// Tokens of one channel, weights 1.
  private static RankInput input(int topk, long[] ids, float... values) {
    float[] weights = new float[ids.length];
    Arrays.fill(weights, 1);
    MemorySegment rows = MemorySegment.ofArray(new byte[values.length * 2]);
    Bf16.encodeRow(values, rows);
    return RankInput.of(values.length, 2, rows).withTopk(topk, ids, weights);
  }

  private static float[] floats(MemorySegment rows) {
    float[] values = new float[(int) (rows.byteSize() / 2)];
    for (int i = 0; i < values.length; i++) {
      values[i] = Bf16.toFloat(rows.get(JAVA_SHORT_UNALIGNED, i * 2L));
    }
    return values;
  }
}
