package io.crossdock.core.routing;

import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.format.Bf16;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/// The order and the roundings of a combine, with numbers for which any other order shows.
class CombineArithmeticTest {
  private static final float HALF_STEP = 0x1p-8f; // half the distance from 1 to the next BF16
  private static final float FLOAT_STEP = 0x1p-23f; // would be lost in BF16
  private static final float HUGE = 0x1p100f;

  @Test
  void rowsAreAddedInAscendingRankOrder() {
    assertThat(oneNode(List.of(), HUGE, -HUGE, 1f)).isEqualTo(1f);
    assertThat(oneNode(List.of(), 1f, HUGE, -HUGE)).isEqualTo(0f);
    assertThat(oneNode(List.of(), HUGE, 1f, -HUGE)).isEqualTo(0f);
  }

  @Test
  void theSumStartsAtTheBiasesInTheirOrder() {
    assertThat(oneNode(List.of(HUGE, -HUGE), 1f)).isEqualTo(1f);
    assertThat(oneNode(List.of(HUGE, 1f), -HUGE)).isEqualTo(0f);
    assertThat(oneNode(List.of(3f), 1f)).isEqualTo(4f);
  }

  @Test
  void theSumIsRoundedOnce() {
    assertThat(oneNode(List.of(), 1f, HALF_STEP)).isEqualTo(1f);
    assertThat(oneNode(List.of(), 1f, HALF_STEP, HALF_STEP)).isEqualTo(1f + 2 * HALF_STEP);
  }

  @Test
  void overTwoNodesEachNodesSumIsRoundedToo() {
    Topology two = new Topology(4, 2, 4);
    assertThat(combine(two, List.of(), 1f, HALF_STEP, HALF_STEP, 0f)).isEqualTo(1f);
    assertThat(combine(two, List.of(), 1f, 0f, HALF_STEP, HALF_STEP)).isEqualTo(1f + 2 * HALF_STEP);
    assertThat(combine(two, List.of(1f), HALF_STEP, HALF_STEP, 0f, 0f))
        .isEqualTo(1f + 2 * HALF_STEP);
  }

  @Test
  void overNodesTheHomesOwnSumIsRoundedBeforeItIsAdded() {
    Topology three = new Topology(3, 1, 3);
    assertThat(combine(three, List.of(), 1f, HALF_STEP, HALF_STEP)).isEqualTo(1f + 2 * HALF_STEP);
    Topology two = new Topology(4, 2, 4);
    assertThat(combine(two, List.of(), 1f, HALF_STEP, 0f, HALF_STEP)).isEqualTo(1f);
    assertThat(oneNode(List.of(), 1f, HALF_STEP, 0f, HALF_STEP)).isEqualTo(1f + 2 * HALF_STEP);
  }

  @Test
  void overNodesThePartialsAreAddedInNodeOrderFromTheBiases() {
    Topology three = new Topology(3, 1, 3);
    assertThat(combine(three, List.of(), HUGE, -HUGE, 1f)).isEqualTo(1f);
    assertThat(combine(three, List.of(), HUGE, 1f, -HUGE)).isEqualTo(0f);
    assertThat(combine(three, List.of(HUGE, -HUGE), 1f, HUGE, -HUGE)).isEqualTo(0f);
    assertThat(combine(three, List.of(HUGE, 1f), -HUGE, 1f, 1f)).isEqualTo(2f);
  }

  @Test
  void insideANodeTheBiasesDoNotTakePart() {
    Topology two = new Topology(4, 2, 4);
    assertThat(combine(two, List.of(HUGE), -HUGE, 1f, 0f, 0f)).isEqualTo(0f);
    assertThat(combine(two, List.of(HUGE), 1f, -HUGE, 1f, 0f)).isEqualTo(1f);
    assertThat(combine(two, List.of(), 1f, HUGE, -HUGE, 1f)).isEqualTo(0f);
    assertThat(oneNode(List.of(), 1f, HUGE, -HUGE, 1f)).isEqualTo(1f);
  }

  @Test
  void aPartialOfMinusZeroIsPlusZeroAndANodeWithoutARowLeavesTheBiasAlone() {
    Topology two = new Topology(2, 1, 2);
    assertThat(bits(combine(two, List.of(-0f), -0f))).isZero();
    assertThat(bits(combine(two, List.of(-0f)))).isEqualTo(bits(-0f));
  }

  @Test
  void weightsAreAddedRankByRankAndOverNodesNodeByNode() {
    float[] weights = {1f, HUGE, -HUGE, 1f};
    assertThat(weight(Topology.oneNode(4, 4), weights)).isEqualTo(1f);
    assertThat(weight(new Topology(4, 2, 4), weights)).isEqualTo(0f);
    float[] late = {HUGE, -HUGE, 1f, FLOAT_STEP};
    assertThat(weight(new Topology(4, 2, 4), late)).isEqualTo(1f + FLOAT_STEP);
    assertThat(weight(new Topology(4, 1, 4), weights)).isEqualTo(1f);
  }

  @Test
  void aTokenWithoutARouteGivesTheBiasOrZero() {
    assertThat(bits(oneNode(List.of()))).isZero();
    assertThat(oneNode(List.of(2.5f))).isEqualTo(2.5f);
    assertThat(oneNode(List.of(1f, HALF_STEP))).isEqualTo(1f);
    assertThat(bits(oneNode(List.of(-0f)))).isEqualTo(bits(-0f));
  }

  @Test
  void withoutABiasTheSumStartsAtPlusZero() {
    assertThat(bits(oneNode(List.of(), -0f))).isZero();
    assertThat(bits(oneNode(List.of(-0f), -0f))).isEqualTo(bits(-0f));
  }

  @Test
  void nanAndInfinityGoThrough() {
    assertThat(oneNode(List.of(), 1f, Float.NaN)).isNaN();
    assertThat(oneNode(List.of(), Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY)).isNaN();
    assertThat(oneNode(List.of(), 1f, Float.NEGATIVE_INFINITY)).isEqualTo(Float.NEGATIVE_INFINITY);
  }

  private static float oneNode(List<Float> biases, float... rows) {
    int numRanks = Math.max(1, rows.length);
    return combine(Topology.oneNode(numRanks, numRanks), biases, rows);
  }

  /// Rank 0's only token went to the first ranks, which give back one number each.
  private static float combine(Topology topology, List<Float> biases, float... rows) {
    List<MemorySegment> outputs = new ArrayList<>();
    for (int rank = 0; rank < topology.numRanks(); rank++) {
      outputs.add(rank < rows.length ? bf16(rows[rank]) : MemorySegment.ofArray(new byte[0]));
    }
    List<ReferenceDispatch> dispatches = dispatches(topology.numRanks(), rows.length);
    CombineInputs inputs = new CombineInputs(1, 0, dispatches, outputs, List.of());
    List<MemorySegment> starts = biases.stream().map(CombineArithmeticTest::bf16).toList();
    ReferenceCombine got = RoutingReference.combine(0, 1, inputs, starts, topology);
    return Bf16.toFloat(got.combinedX().get(JAVA_SHORT_UNALIGNED, 0));
  }

  /// The weights that all ranks give back for rank 0's only token.
  private static float weight(Topology topology, float... weights) {
    List<MemorySegment> outputs = new ArrayList<>();
    List<float[]> gradients = new ArrayList<>();
    for (float weight : weights) {
      outputs.add(bf16(0f));
      gradients.add(new float[] {weight});
    }
    List<ReferenceDispatch> dispatches = dispatches(topology.numRanks(), weights.length);
    CombineInputs inputs = new CombineInputs(1, 1, dispatches, outputs, gradients);
    ReferenceCombine got = RoutingReference.combine(0, 1, inputs, List.of(), topology);
    assertThat(got.combinedTopkWeights()).hasSize(1);
    return got.combinedTopkWeights()[0];
  }

  /// The first ranks received rank 0's only token, the others nothing.
  private static List<ReferenceDispatch> dispatches(int numRanks, int numReceivers) {
    List<ReferenceDispatch> dispatches = new ArrayList<>();
    for (int rank = 0; rank < numRanks; rank++) {
      int count = rank < numReceivers ? 1 : 0;
      dispatches.add(
          new ReferenceDispatch(
              count,
              MemorySegment.ofArray(new byte[count * 2]),
              MemorySegment.ofArray(new byte[0]),
              new long[0],
              new float[0],
              new int[count],
              new int[count],
              new int[0]));
    }
    return dispatches;
  }

  private static MemorySegment bf16(float value) {
    return MemorySegment.ofArray(new short[] {Bf16.fromFloat(value)});
  }

  private static int bits(float value) {
    return Float.floatToRawIntBits(value);
  }
}
