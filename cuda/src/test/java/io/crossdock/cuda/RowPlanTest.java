package io.crossdock.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

/// Pieces cover a row, and what a block works with fits into shared memory without overlapping.
class RowPlanTest {
  private static final int HOPPER_BYTES = 227 << 10;

  @Property(tries = 1000)
  void piecesCoverARowAndStagesFit(
      @ForAll @IntRange(min = 1, max = 128) int groups,
      @ForAll @IntRange(max = 2000) int tokens,
      @ForAll @IntRange(min = 1, max = 32) int topk,
      @ForAll @IntRange(min = 1, max = 132) int blocks,
      @ForAll boolean fp8) {
    int hidden = groups * 128;
    RowPlan plan = RowPlan.of(new RowPlan.Rows(hidden, fp8, tokens, topk), blocks, HOPPER_BYTES);
    assertThat((long) plan.pieceChannels() * plan.numPieces()).isGreaterThanOrEqualTo(hidden);
    assertThat(plan.numStages()).isBetween(1, 64);
    assertThat(plan.numStages() * topk).isLessThanOrEqualTo(512);
    assertThat(plan.sharedBytes()).isLessThanOrEqualTo(HOPPER_BYTES - 1280);
    if (fp8) {
      int fetched = plan.numStages() * plan.pieceChannels() * 2;
      assertThat(plan.fetchedAt() + fetched).isEqualTo(plan.sharedBytes());
      assertThat(plan.fetchedAt() % 16).isZero();
    } else {
      assertThat(plan.fetchedAt()).isZero();
    }
  }

  @Test
  void aBlockCastsItsShareOfADecodeStepAtOnce() {
    RowPlan plan = RowPlan.of(new RowPlan.Rows(7168, true, 128, 8), 16, HOPPER_BYTES);
    assertThat(plan.numPieces()).isEqualTo(1);
    assertThat(plan.numStages()).isEqualTo(8);
    assertThat(plan.sharedBytes() - plan.fetchedAt()).isEqualTo(8 * 7168 * 2);
  }
}
