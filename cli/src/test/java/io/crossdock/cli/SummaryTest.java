package io.crossdock.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
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

  private static final double[] NONE = {1, 1, 1};

  static Summary summary() {
    return new Summary(
        task("host", 3), List.of(report(0, 30, 20, 5, 4096), report(1, 10, 20, 15, 8192)));
  }

  private static BenchTask task(String engine, int iterations) {
    return new BenchTask(
        engine,
        8,
        1000,
        4,
        2,
        0,
        "uniform",
        ReplayTask.RowType.fp8,
        0,
        iterations,
        true,
        1,
        BenchTask.GpuOptions.DEFAULT,
        BenchTask.NetworkOptions.DEFAULT);
  }

  private static BenchTask.Report report(
      int rank, long recvRows, long sentRows, long remoteRows, long windowBytes) {
    return new BenchTask.Report(
        "shm",
        new BenchTask.Place("host", null, windowBytes, 2),
        new BenchTask.Rows(recvRows, sentRows, remoteRows, 1040),
        new BenchTask.Checked(8, 77),
        hostTimes(DISPATCH[rank], COMBINE[rank], COPY_DISPATCH[rank], COPY_COMBINE[rank], NONE),
        null);
  }

  /// @param others of the phases that are not given
  static BenchTask.Times hostTimes(
      double[] dispatch,
      double[] combine,
      double[] copyDispatch,
      double[] copyCombine,
      double[] others) {
    return new BenchTask.Times(
        Map.of(
            BenchPhase.DISPATCH_BORROWED, dispatch,
            BenchPhase.DISPATCH_WITH_LAYOUT, others,
            BenchPhase.DISPATCH_OWNED, others,
            BenchPhase.COMBINE_ZERO_COPY, combine,
            BenchPhase.COMBINE_STAGED, others,
            BenchPhase.COPY_DISPATCH, copyDispatch,
            BenchPhase.COPY_COMBINE, copyCombine));
  }

  static BenchTask.Report hostReport(BenchTask.Rows rows, BenchTask.Times times) {
    return new BenchTask.Report(
        "shm",
        new BenchTask.Place("host", null, 1, 1),
        rows,
        new BenchTask.Checked(1, 1),
        times,
        null);
  }

  /// Two ranks on one GPU, the same numbers: the cached dispatch in place of the fresh one.
  static Summary gpuSummary() {
    List<BenchTask.Report> reports = new ArrayList<>();
    for (int rank = 0; rank < 2; rank++) {
      Map<BenchPhase, double[]> micros = new EnumMap<>(BenchPhase.class);
      micros.put(BenchPhase.DISPATCH_CACHED_BORROWED, DISPATCH[rank]);
      micros.put(BenchPhase.DISPATCH_CACHED_OWNED, NONE);
      micros.put(BenchPhase.DISPATCH_WITH_LAYOUT, NONE);
      micros.put(BenchPhase.DISPATCH_OWNED, NONE);
      micros.put(BenchPhase.COMBINE_ZERO_COPY, COMBINE[rank]);
      micros.put(BenchPhase.COMBINE_STAGED, NONE);
      micros.put(BenchPhase.COPY_DISPATCH, COPY_DISPATCH[rank]);
      micros.put(BenchPhase.COPY_COMBINE, COPY_COMBINE[rank]);
      reports.add(
          new BenchTask.Report(
              "cuda-p2p",
              new BenchTask.Place("cuda:0", "Some GPU, 132 SMs", 4096, 24),
              new BenchTask.Rows(20, 20, 10, 1040),
              new BenchTask.Checked(8, 77),
              new BenchTask.Times(micros),
              null));
    }
    return new Summary(task("cuda", 3), reports);
  }

  @Test
  void timesAreTheSlowestRanksByIteration() {
    Summary.Phase dispatch = summary().phase(BenchPhase.DISPATCH_BORROWED);
    assertThat(dispatch.usMedian()).isEqualTo(400);
    assertThat(dispatch.usP99()).isEqualTo(500);
    Summary.Phase combine = summary().phase(BenchPhase.COMBINE_ZERO_COPY);
    assertThat(combine.usMedian()).isEqualTo(90);
    assertThat(combine.usP99()).isEqualTo(100);
  }

  /// 40 rows in and 20 out to others over both ranks, 1040 bytes each, in 400 us: a rank's mean is
  /// 20 * 1040 / 400 us = 0.052 GB/s in and 10 * 1040 / 400 us = 0.026 GB/s over the wire.
  @Test
  void ratesAreTheMeanOverRanks() {
    Summary.Phase dispatch = summary().phase(BenchPhase.DISPATCH_BORROWED);
    assertThat(dispatch.gbpsNvl()).isEqualTo(0.052, CLOSE);
    assertThat(dispatch.gbpsWire()).isEqualTo(0.026, CLOSE);
    Summary.Phase combine = summary().phase(BenchPhase.COMBINE_ZERO_COPY);
    assertThat(combine.gbpsNvl()).isEqualTo(20 * 2000 / 90e3, CLOSE);
    assertThat(combine.gbpsWire()).isEqualTo(10 * 2000 / 90e3, CLOSE);
  }

  /// 40 rows are written by all ranks, 41600 bytes: copied in 250 us, dispatched in 400 us.
  @Test
  void theRatioIsTakenToTheCopyOfTheSameRun() {
    Summary summary = summary();
    assertThat(summary.copyDispatchGbps()).isEqualTo(41_600 / 250e3, CLOSE);
    assertThat(summary.copyCombineGbps()).isEqualTo(80_000 / 50e3, CLOSE);
    assertThat(summary.phase(BenchPhase.DISPATCH_BORROWED).ratio()).isEqualTo(250 / 400.0, CLOSE);
    assertThat(summary.phase(BenchPhase.COMBINE_ZERO_COPY).ratio()).isEqualTo(50 / 90.0, CLOSE);
  }

  @Test
  void theNinetyNinthPercentileOfManyIsNotTheLargest() {
    double[] times = new double[200];
    for (int i = 0; i < times.length; i++) {
      times[i] = times.length - i;
    }
    BenchTask.Report report =
        hostReport(new BenchTask.Rows(1, 1, 0, 2000), hostTimes(times, times, times, times, times));
    Summary.Phase phase =
        new Summary(task("host", 200), List.of(report)).phase(BenchPhase.DISPATCH_OWNED);
    assertThat(phase.usP99()).isEqualTo(198);
    assertThat(phase.usMedian()).isBetween(100.0, 101.0);
    assertThat(phase.gbpsWire()).isZero();
    assertThat(phase.ratio()).isEqualTo(1, CLOSE);
  }

  /// On a GPU rows that are read for a dispatch, or written by a combine, count too: 40 rows sent
  /// and 16 at home, 1040 bytes each, copied in 250 us and dispatched in 400 us.
  @Test
  void onGpuReadAndWriteCount() {
    Summary summary = gpuSummary();
    assertThat(summary.mainDispatch()).isEqualTo(BenchPhase.DISPATCH_CACHED_BORROWED);
    assertThat(summary.copyDispatchGbps()).isEqualTo(56 * 1040 / 250e3, CLOSE);
    assertThat(summary.copyCombineGbps()).isEqualTo(56 * 2000 / 50e3, CLOSE);
    Summary.Phase dispatch = summary.phase(BenchPhase.DISPATCH_CACHED_BORROWED);
    assertThat(dispatch.ratio()).isEqualTo(250 / 400.0, CLOSE);
    assertThat(dispatch.gbpsNvl()).isEqualTo(20 * 1040 / 400e3, CLOSE);
    assertThat(summary.phase(BenchPhase.COMBINE_ZERO_COPY).ratio()).isEqualTo(50 / 90.0, CLOSE);
  }
}
