package io.crossdock.cli;

import io.crossdock.cli.safetensors.SafetensorsFile;
import io.crossdock.core.BufferSpec;
import io.crossdock.core.CombineFormat;
import io.crossdock.core.DType;
import io.crossdock.core.Engine;
import io.crossdock.core.Engines;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.LowLatencyCombineOptions;
import io.crossdock.core.LowLatencyCombineResult;
import io.crossdock.core.LowLatencyDispatchOptions;
import io.crossdock.core.LowLatencyDispatchResult;
import io.crossdock.core.LowLatencyFormat;
import io.crossdock.core.Mode;
import io.crossdock.core.RecvHook;
import io.crossdock.core.Tensor;
import io.crossdock.core.group.ProcessGroup;
import java.lang.foreign.Arena;
import java.nio.file.Path;

/// Runs the recorded tensors of one rank through an engine in low-latency mode: dispatch, experts,
/// combine.
///
/// Safe for any thread.
///
/// @param file recorded tensors
/// @param engine name of the engine, never `auto`
/// @param expert what the experts compute
/// @param dtype of the rows on their way to the experts
/// @param maxTokens numMaxTokensPerRank
/// @param options everything else
record LowLatencyReplayTask(
    String file,
    String engine,
    ReplayTask.Expert expert,
    ReplayTask.RowType dtype,
    int maxTokens,
    Options options)
    implements RankTask {

  /// Options of a replay in low-latency mode.
  ///
  /// Safe for any thread.
  ///
  /// @param hook each call returns after its send half
  /// @param zeroCopy experts write into the combine buffer
  /// @param roundScale scales are powers of two
  /// @param ue8m0 scales are packed UE8M0
  /// @param logfmt expert outputs travel as LogFMT-10
  /// @param repeat how often everything runs
  record Options(
      boolean hook,
      boolean zeroCopy,
      boolean roundScale,
      boolean ue8m0,
      boolean logfmt,
      int repeat) {}

  LowLatencyReplayTask {
    if (options.ue8m0 && !options.roundScale) {
      throw new InvalidInputException(
          "--ue8m0 needs --round-scale: it holds exponents alone: ue8m0=true, roundScale=false");
    }
    if (options.roundScale && dtype != ReplayTask.RowType.fp8) {
      throw new InvalidInputException(
          "--round-scale and --ue8m0 need --dtype fp8: only FP8 rows have scales: dtype=" + dtype);
    }
    if (options.zeroCopy && options.logfmt) {
      throw new InvalidInputException(
          "--zero-copy does not go with --logfmt: what is encoded is copied:"
              + " zeroCopy=true, logfmt=true");
    }
    if (options.repeat < 1) {
      throw new InvalidInputException("option out of range: repeat=" + options.repeat);
    }
  }

  private LowLatencyFormat format() {
    if (dtype == ReplayTask.RowType.bf16) {
      return LowLatencyFormat.BF16;
    }
    if (options.ue8m0) {
      return LowLatencyFormat.FP8_UE8M0;
    }
    return options.roundScale ? LowLatencyFormat.FP8_POWER_OF_TWO : LowLatencyFormat.FP8;
  }

  private LowLatencyDispatchOptions dispatchOptions() {
    LowLatencyDispatchOptions chosen = LowLatencyDispatchOptions.DEFAULT.withFormat(format());
    return options.hook ? chosen.hooked() : chosen;
  }

  private LowLatencyCombineOptions combineOptions() {
    LowLatencyCombineOptions chosen = LowLatencyCombineOptions.DEFAULT;
    if (options.logfmt) {
      chosen = chosen.withFormat(CombineFormat.LOGFMT10);
    }
    if (options.zeroCopy) {
      chosen = chosen.zeroCopy();
    }
    return options.hook ? chosen.hooked() : chosen;
  }

  @Override
  public ReplayTask.Report run(ProcessGroup group, Path folder) {
    Engine opened = Engines.open(engine);
    try (SafetensorsFile recorded = SafetensorsFile.open(Path.of(file));
        Arena arena = Arena.ofShared()) {
      ReplayInput input = ReplayInput.read(recorded, group.rank(), arena);
      BufferSpec spec = spec(input, ReplayInput.numExperts(recorded));
      try (EpBuffer buffer = EpBuffer.open(opened, spec, group)) {
        return replay(buffer, input, folder);
      }
    }
  }

  /// Windows are for normal mode: the smallest are enough.
  private BufferSpec spec(ReplayInput input, int numExperts) {
    return BufferSpec.builder()
        .mode(Mode.LOW_LATENCY)
        .numMaxTokensPerRank(maxTokens)
        .hidden(input.hidden())
        .topk(input.topk())
        .numExperts(numExperts)
        .capacityRows(1)
        .build();
  }

  private ReplayTask.Report replay(EpBuffer buffer, ReplayInput input, Path folder) {
    int rank = buffer.group().rank();
    try (Arena arena = Arena.ofShared()) {
      ReplayOutput first = once(buffer, input, arena);
      for (int run = 1; run < options.repeat; run++) {
        repeat(buffer, input, first, run);
      }
      first.write(folder.resolve("rank" + rank + ".safetensors"), rank);
      return new ReplayTask.Report(
          first.numRows(), BenchTask.Place.windowBytes(buffer), buffer.transport());
    }
  }

  private void repeat(EpBuffer buffer, ReplayInput input, ReplayOutput first, int run) {
    try (Arena arena = Arena.ofShared()) {
      first.checkSame(once(buffer, input, arena), buffer.group().rank(), run);
    }
  }

  private ReplayOutput once(EpBuffer buffer, ReplayInput input, Arena arena) {
    Tensor x = buffer.memory().toDevice(input.x());
    Tensor ids = buffer.memory().toDevice(input.topkIdx());
    Tensor weights = buffer.memory().toDevice(input.topkWeights());
    int experts = buffer.spec().numExperts();
    // On a GPU no rank allocates or copies beside a kernel of another that waits for it.
    buffer.group().barrier();
    try (LowLatencyDispatchResult got =
        buffer.lowLatencyDispatch(x, ids, maxTokens, experts, dispatchOptions())) {
      got.recvHook().ifPresent(RecvHook::run);
      LowLatencyRows rows = new LowLatencyRows(buffer, got);
      ReplayOutput output = rows.output(arena);
      Tensor y = outputs(buffer, got, arena);
      new LowLatencyExperts(expert, buffer).run(rows, y);
      buffer.group().barrier();
      LowLatencyCombineResult home =
          buffer.lowLatencyCombine(y, ids, weights, got.handle(), combineOptions());
      home.recvHook().ifPresent(RecvHook::run);
      output.combined(home.combinedX());
      return output;
    }
  }

  private Tensor outputs(EpBuffer buffer, LowLatencyDispatchResult got, Arena arena) {
    if (options.zeroCopy) {
      return buffer.nextCombineBuffer(got.handle());
    }
    EngineTensors engine = new EngineTensors(buffer.memory());
    return Tensor.allocate(engine.allocator(arena), DType.BF16, got.recvX().shape());
  }
}
