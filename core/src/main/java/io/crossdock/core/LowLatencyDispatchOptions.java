package io.crossdock.core;

import java.util.Objects;
import java.util.Optional;

/// Options of a low-latency dispatch.
///
/// Safe for any thread.
///
/// @param format how rows travel and arrive
/// @param completion when the call returns
/// @param previousEvent what must be complete before anything is read
/// @param cumulativeRecvStats I32 `[E/R]`: the rows each local expert received are added to it
/// @param waitStats I64 `[R]`: overwritten with the nanoseconds that this rank waited for each
///   source, the longest of several threads
/// @param config how the machine is used; empty lets the engine choose; `networkChunkRows` has no
///   effect in low-latency mode
public record LowLatencyDispatchOptions(
    LowLatencyFormat format,
    LowLatencyCompletion completion,
    Optional<EventOverlap> previousEvent,
    Optional<Tensor> cumulativeRecvStats,
    Optional<Tensor> waitStats,
    Optional<DispatchConfig> config) {

  /// FP8 with float32 scales, synchronous.
  public static final LowLatencyDispatchOptions DEFAULT =
      new LowLatencyDispatchOptions(
          LowLatencyFormat.FP8,
          LowLatencyCompletion.SYNCHRONOUS,
          Optional.empty(),
          Optional.empty(),
          Optional.empty(),
          Optional.empty());

  /// Checks that nothing is null.
  public LowLatencyDispatchOptions {
    Objects.requireNonNull(format, "format");
    Objects.requireNonNull(completion, "completion");
    Objects.requireNonNull(previousEvent, "previousEvent");
    Objects.requireNonNull(cumulativeRecvStats, "cumulativeRecvStats");
    Objects.requireNonNull(waitStats, "waitStats");
    Objects.requireNonNull(config, "config");
  }

  /// {@return these options with another row format}
  ///
  /// @param rows how rows travel
  public LowLatencyDispatchOptions withFormat(LowLatencyFormat rows) {
    return new LowLatencyDispatchOptions(
        rows, completion, previousEvent, cumulativeRecvStats, waitStats, config);
  }

  /// {@return these options with another completion}
  ///
  /// @param when the call returns
  public LowLatencyDispatchOptions withCompletion(LowLatencyCompletion when) {
    return new LowLatencyDispatchOptions(
        format, when, previousEvent, cumulativeRecvStats, waitStats, config);
  }

  /// {@return these options with a receive hook}
  public LowLatencyDispatchOptions hooked() {
    return withCompletion(LowLatencyCompletion.RECV_HOOK);
  }

  /// {@return these options, started after an event}
  ///
  /// @param event what to wait for
  public LowLatencyDispatchOptions after(EventOverlap event) {
    return new LowLatencyDispatchOptions(
        format, completion, Optional.of(event), cumulativeRecvStats, waitStats, config);
  }

  /// {@return these options with a running sum of received rows}
  ///
  /// @param stats I32 `[E/R]`
  public LowLatencyDispatchOptions withCumulativeRecvStats(Tensor stats) {
    return new LowLatencyDispatchOptions(
        format, completion, previousEvent, Optional.of(stats), waitStats, config);
  }

  /// {@return these options with wait times}
  ///
  /// @param stats I64 `[R]`
  public LowLatencyDispatchOptions withWaitStats(Tensor stats) {
    return new LowLatencyDispatchOptions(
        format, completion, previousEvent, cumulativeRecvStats, Optional.of(stats), config);
  }

  /// {@return these options with a config}
  ///
  /// @param use how the machine is used
  public LowLatencyDispatchOptions withConfig(DispatchConfig use) {
    return new LowLatencyDispatchOptions(
        format, completion, previousEvent, cumulativeRecvStats, waitStats, Optional.of(use));
  }
}
