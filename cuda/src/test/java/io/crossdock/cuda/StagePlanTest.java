package io.crossdock.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

/// Pieces cover a row and fit into shared memory.
class StagePlanTest {
  private static final int HOPPER_BYTES = 227 << 10;

  @Property(tries = 500)
  void piecesCoverARowAndFit(
      @ForAll @IntRange(min = 1, max = 20_000) int words,
      @ForAll @IntRange(min = 1, max = 512) int ranks,
      @ForAll @IntRange(min = 1, max = 64) int stages) {
    long rowBytes = words * 16L;
    StagePlan plan = StagePlan.of(rowBytes, ranks, HOPPER_BYTES, stages);
    assertThat(plan.pieceBytes() % 16).isZero();
    assertThat(plan.pieceBytes()).isBetween(16L, 16384L);
    assertThat(plan.numStages()).isBetween(2, 8);
    assertThat(plan.sharedBytes()).isLessThanOrEqualTo(HOPPER_BYTES);
  }

  @Test
  void rowsOfKnownModelsHaveManyPiecesInFlight() {
    assertThat(StagePlan.of(7168 * 2, 8, HOPPER_BYTES, 1))
        .extracting(StagePlan::pieceBytes, StagePlan::numStages)
        .containsExactly(14336L, 2);
    assertThat(StagePlan.of(7168, 8, HOPPER_BYTES, 1))
        .extracting(StagePlan::pieceBytes, StagePlan::numStages)
        .containsExactly(7168L, 4);
    assertThat(StagePlan.of(7168 * 4, 8, HOPPER_BYTES, 1).pieceBytes()).isEqualTo(14336);
    assertThat(StagePlan.of(7168, 8, HOPPER_BYTES, 3).numStages()).isEqualTo(3);
  }
}
