package io.crossdock.cli;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.Domain;
import io.crossdock.core.Engine;
import io.crossdock.core.Engines;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.core.routing.RoutingSampler;
import io.crossdock.core.routing.Skew;
import java.lang.foreign.Arena;
import java.nio.file.Path;

/// Measures dispatch and combine of one rank, after checking them.
///
/// Safe for any thread.
///
/// @param engine name of the engine, never `auto`
/// @param tokens rows of a rank
/// @param hidden H
/// @param experts E
/// @param topk K
/// @param groups expert groups of which half are kept; 0 for none
/// @param skew `uniform` or `zipf:S`
/// @param dtype of the dispatched rows
/// @param sms worker threads; 0 for the engine's choice
/// @param iterations timed
/// @param verify whether to check first
/// @param seed of rows and routing
record BenchTask(
    String engine,
    int tokens,
    int hidden,
    int experts,
    int topk,
    int groups,
    String skew,
    ReplayTask.RowType dtype,
    int sms,
    int iterations,
    boolean verify,
    long seed)
    implements RankTask {

  /// What a rank reports; durations in microseconds from the common start, by iteration.
  ///
  /// Safe for any thread.
  ///
  /// @param transport of the engine
  /// @param windowBytes of this rank
  /// @param workers threads a call used
  /// @param recvRows rows received
  /// @param sentRows rows sent, local ones too
  /// @param remoteRows rows sent to other ranks
  /// @param rowBytes of a dispatched row with its scales
  /// @param checkedBytes bytes compared with the reference
  /// @param times by phase
  record Report(
      String transport,
      long windowBytes,
      int workers,
      long recvRows,
      long sentRows,
      long remoteRows,
      long rowBytes,
      long checkedBytes,
      Times times) {}

  /// Durations of the phases.
  ///
  /// Safe for any thread.
  ///
  /// @param dispatchBorrowed fresh dispatch, rows stay in the window
  /// @param layoutDispatch the same with the layout computed in front
  /// @param dispatchOwned fresh dispatch, rows copied out
  /// @param combineZeroCopy combine of rows that lie in the combine buffer
  /// @param combineStaged combine of rows elsewhere
  /// @param copyDispatch memcpy of as many bytes as the dispatch wrote
  /// @param copyCombine memcpy of as many bytes as the combine read
  record Times(
      double[] dispatchBorrowed,
      double[] layoutDispatch,
      double[] dispatchOwned,
      double[] combineZeroCopy,
      double[] combineStaged,
      double[] copyDispatch,
      double[] copyCombine) {

    static Times ofSize(int iterations) {
      return new Times(
          new double[iterations],
          new double[iterations],
          new double[iterations],
          new double[iterations],
          new double[iterations],
          new double[iterations],
          new double[iterations]);
    }
  }

  RoutingSampler sampler() {
    RoutingSampler sampler = RoutingSampler.uniform(seed, experts, topk).withSkew(Skew.parse(skew));
    return groups > 0 ? sampler.withGroups(groups) : sampler;
  }

  BufferSpec spec() {
    return BufferSpec.builder()
        .numMaxTokensPerRank(tokens)
        .hidden(hidden)
        .topk(topk)
        .numExperts(experts)
        .build();
  }

  @Override
  public Report run(ProcessGroup group, Path folder) {
    Engine opened = Engines.open(engine);
    try (Arena arena = Arena.ofShared();
        EpBuffer buffer = EpBuffer.open(opened, spec(), group)) {
      buffer.setNumSms(sms);
      long checked = verify ? new BenchCheck(this, buffer).run() : 0;
      try (BenchRun run = new BenchRun(this, buffer, arena)) {
        Times times = run.measure();
        return run.report(times, checked, buffer.transport(), buffer.windowBytes(Domain.SCALE_UP));
      }
    }
  }
}
