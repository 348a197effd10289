package io.crossdock.core;

import java.util.Objects;
import java.util.Optional;

/// Options of a low-latency combine.
///
/// Safe for any thread.
///
/// @param format how rows travel home
/// @param source where the expert outputs lie
/// @param completion when the call returns
/// @param previousEvent what must be complete before anything is read
/// @param out BF16 [tokens, H] that receives the sums; empty allocates
/// @param waitStats I64 `[R]`: as for [LowLatencyDispatchOptions]
/// @param config how the machine is used; empty lets the engine choose; `networkChunkRows` has no
///   effect in low-latency mode
public record LowLatencyCombineOptions(
    CombineFormat format,
    Source source,
    LowLatencyCompletion completion,
    Optional<EventOverlap> previousEvent,
    Optional<Tensor> out,
    Optional<Tensor> waitStats,
    Optional<CombineConfig> config) {

  /// Where the expert outputs of a combine lie.
  ///
  /// Safe for any thread.
  public enum Source {
    /// In memory of the caller.
    TENSOR,
    /// In the place that [EpBuffer#nextCombineBuffer] handed out (`zeroCopy`).
    COMBINE_BUFFER
  }

  /// BF16, from memory of the caller, synchronous.
  public static final LowLatencyCombineOptions DEFAULT =
      new LowLatencyCombineOptions(
          CombineFormat.BF16,
          Source.TENSOR,
          LowLatencyCompletion.SYNCHRONOUS,
          Optional.empty(),
          Optional.empty(),
          Optional.empty(),
          Optional.empty());

  /// Checks that nothing is null, and that the options go together.
  ///
  /// @throws InvalidInputException if `zeroCopy` meets `useLogFmt`: what is encoded is copied
  public LowLatencyCombineOptions {
    Objects.requireNonNull(format, "format");
    Objects.requireNonNull(source, "source");
    Objects.requireNonNull(completion, "completion");
    Objects.requireNonNull(previousEvent, "previousEvent");
    Objects.requireNonNull(out, "out");
    Objects.requireNonNull(waitStats, "waitStats");
    Objects.requireNonNull(config, "config");
    if (source == Source.COMBINE_BUFFER && format == CombineFormat.LOGFMT10) {
      throw new InvalidInputException(
          "zeroCopy does not go with useLogFmt: source=" + source + ", format=" + format);
    }
  }

  /// {@return these options with another format}
  ///
  /// @param rows how rows travel home
  public LowLatencyCombineOptions withFormat(CombineFormat rows) {
    return new LowLatencyCombineOptions(
        rows, source, completion, previousEvent, out, waitStats, config);
  }

  /// {@return these options with expert outputs in the combine buffer}
  public LowLatencyCombineOptions zeroCopy() {
    return new LowLatencyCombineOptions(
        format, Source.COMBINE_BUFFER, completion, previousEvent, out, waitStats, config);
  }

  /// {@return these options with another completion}
  ///
  /// @param when the call returns
  public LowLatencyCombineOptions withCompletion(LowLatencyCompletion when) {
    return new LowLatencyCombineOptions(
        format, source, when, previousEvent, out, waitStats, config);
  }

  /// {@return these options with a receive hook}
  public LowLatencyCombineOptions hooked() {
    return withCompletion(LowLatencyCompletion.RECV_HOOK);
  }

  /// {@return these options, started after an event}
  ///
  /// @param event what to wait for
  public LowLatencyCombineOptions after(EventOverlap event) {
    return new LowLatencyCombineOptions(
        format, source, completion, Optional.of(event), out, waitStats, config);
  }

  /// {@return these options with memory for the sums}
  ///
  /// @param sums BF16 [tokens, H]
  public LowLatencyCombineOptions withOut(Tensor sums) {
    return new LowLatencyCombineOptions(
        format, source, completion, previousEvent, Optional.of(sums), waitStats, config);
  }

  /// {@return these options with wait times}
  ///
  /// @param stats I64 `[R]`
  public LowLatencyCombineOptions withWaitStats(Tensor stats) {
    return new LowLatencyCombineOptions(
        format, source, completion, previousEvent, out, Optional.of(stats), config);
  }

  /// {@return these options with a config}
  ///
  /// @param use how the machine is used
  public LowLatencyCombineOptions withConfig(CombineConfig use) {
    return new LowLatencyCombineOptions(
        format, source, completion, previousEvent, out, waitStats, Optional.of(use));
  }
}
