package io.crossdock.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;

/// Two ranks, H = 1000, three iterations, all numbers worked out by hand.
class SummaryTest {
  private static final Offset<Double> CLOSE = within(1e-12);

  /// Maximum over ranks by iteration: 200, 500, 400; the median is 400.
  private static final double[][] DISPATCH = {{100, 500, 300}, {200, 100, 400}};

  /// 100, 80, 90; the median is 90.
  private static final double[][] COMBINE = {{100, 70, 90}, {10, 80, 20}};

  /// 250, 250, 250.
  private static final double[][] COPY_DISPATCH = {{250, 240, 250}, {200, 250, 100}};

  /// 50, 60, 40; the median is 50.
  private static final double[][] COPY_COMBINE = {{50, 60, 40}, {50, 10, 40}};

  private static final double[][] NONE = {{1, 1, 1}, {1, 1, 1}};

  static Summary summary() {
    BenchTask task =
        new BenchTask("host", 8, 1000, 4, 2, 0, "uniform", ReplayTask.RowType.fp8, 0, 3, true, 1);
    return new Summary(task, List.of(report(0, 30, 20, 5, 4096), report(1, 10, 20, 15, 8192)));
  }

  private static BenchTask.Report report(
      int rank, long recvRows, long sentRows, long remoteRows, long windowBytes) {
    BenchTask.Times times =
        new BenchTask.Times(
            DISPATCH[rank],
            NONE[rank],
            NONE[rank],
            COMBINE[rank],
            NONE[rank],
            COPY_DISPATCH[rank],
            COPY_COMBINE[rank]);
    return new BenchTask.Report(
        "shm", windowBytes, 2, recvRows, sentRows, remoteRows, 1040, 77, times);
  }

  @Test
  void timesAreTheSlowestRanksByIteration() {
    Summary.Phase dispatch = summary().dispatch(BenchTask.Times::dispatchBorrowed);
    assertThat(dispatch.usMedian()).isEqualTo(400);
    assertThat(dispatch.usP99()).isEqualTo(500);
    Summary.Phase combine = summary().combine(BenchTask.Times::combineZeroCopy);
    assertThat(combine.usMedian()).isEqualTo(90);
    assertThat(combine.usP99()).isEqualTo(100);
  }

  /// 40 rows in and 20 out to others over both ranks, 1040 bytes each, in 400 us: a rank's mean is
  /// 20 * 1040 / 400 us = 0.052 GB/s in and 10 * 1040 / 400 us = 0.026 GB/s over the wire.
  @Test
  void ratesAreTheMeanOverRanks() {
    Summary.Phase dispatch = summary().dispatch(BenchTask.Times::dispatchBorrowed);
    assertThat(dispatch.gbpsNvl()).isEqualTo(0.052, CLOSE);
    assertThat(dispatch.gbpsWire()).isEqualTo(0.026, CLOSE);
    Summary.Phase combine = summary().combine(BenchTask.Times::combineZeroCopy);
    assertThat(combine.gbpsNvl()).isEqualTo(20 * 2000 / 90e3, CLOSE);
    assertThat(combine.gbpsWire()).isEqualTo(10 * 2000 / 90e3, CLOSE);
  }

  /// 40 rows are written by all ranks, 41600 bytes: copied in 250 us, dispatched in 400 us.
  @Test
  void theRatioIsTakenToTheCopyOfTheSameRun() {
    Summary summary = summary();
    assertThat(summary.copyDispatchGbps()).isEqualTo(41_600 / 250e3, CLOSE);
    assertThat(summary.copyCombineGbps()).isEqualTo(80_000 / 50e3, CLOSE);
    assertThat(summary.dispatch(BenchTask.Times::dispatchBorrowed).ratio())
        .isEqualTo(250 / 400.0, CLOSE);
    assertThat(summary.combine(BenchTask.Times::combineZeroCopy).ratio())
        .isEqualTo(50 / 90.0, CLOSE);
  }

  @Test
  void theNinetyNinthPercentileOfManyIsNotTheLargest() {
    double[] times = new double[200];
    for (int i = 0; i < times.length; i++) {
      times[i] = times.length - i;
    }
    BenchTask task =
        new BenchTask(
            "host", 8, 1000, 4, 2, 0, "uniform", ReplayTask.RowType.bf16, 0, 200, true, 1);
    BenchTask.Times all = new BenchTask.Times(times, times, times, times, times, times, times);
    BenchTask.Report report = new BenchTask.Report("shm", 1, 1, 1, 1, 0, 2000, 0, all);
    Summary.Phase phase =
        new Summary(task, List.of(report)).dispatch(BenchTask.Times::dispatchOwned);
    assertThat(phase.usP99()).isEqualTo(198);
    assertThat(phase.usMedian()).isBetween(100.0, 101.0);
    assertThat(phase.gbpsWire()).isZero();
    assertThat(phase.ratio()).isEqualTo(1, CLOSE);
  }
}
