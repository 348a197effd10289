package io.crossdock.cli;

import io.crossdock.cli.safetensors.SafetensorsFile;
import io.crossdock.core.BufferSpec;
import io.crossdock.core.BufferSpecBuilder;
import io.crossdock.core.CombineBuffer;
import io.crossdock.core.CombineInput;
import io.crossdock.core.CombineResult;
import io.crossdock.core.DType;
import io.crossdock.core.DispatchInput;
import io.crossdock.core.DispatchOptions;
import io.crossdock.core.DispatchResult;
import io.crossdock.core.Engine;
import io.crossdock.core.Engines;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.Layout;
import io.crossdock.core.Placement;
import io.crossdock.core.Tensor;
import io.crossdock.core.group.ProcessGroup;
import java.lang.foreign.Arena;
import java.lang.foreign.SegmentAllocator;
import java.nio.file.Path;
import java.util.Optional;

/// Runs the recorded tensors of one rank through an engine in normal mode: dispatch, experts,
/// combine.
///
/// Safe for any thread.
///
/// @param file recorded tensors
/// @param engine name of the engine, never `auto`
/// @param expert what the experts compute
/// @param dtype of the dispatched rows
/// @param maxTokens numMaxTokensPerRank
/// @param options everything else
record ReplayTask(
    String file, String engine, Expert expert, RowType dtype, int maxTokens, Options options)
    implements RankTask {

  /// What the experts compute.
  ///
  /// Safe for any thread.
  enum Expert {
    /// y = bf16(row).
    identity,
    /// y = bf16(c * row), c the sum of weight times expert scale over the row's local choices.
    moe
  }

  /// Type of the dispatched rows.
  ///
  /// Safe for any thread.
  enum RowType {
    /// BF16 rows.
    bf16,
    /// FP8 rows with float32 scales.
    fp8
  }

  /// Where received rows end up.
  ///
  /// Safe for any thread.
  enum Place {
    /// A view of the window.
    borrowed,
    /// A copy.
    owned
  }

  /// Options of a replay.
  ///
  /// Safe for any thread.
  ///
  /// @param placement borrowed or owned
  /// @param zeroCopy experts write into the combine buffer
  /// @param alignment expertAlignment
  /// @param worstTokens numWorstTokens, 0 for exact
  /// @param cached outputs are those of a second, cached dispatch
  /// @param bias bias tensors taken from the file
  /// @param repeat how often everything runs
  record Options(
      Place placement,
      boolean zeroCopy,
      int alignment,
      long worstTokens,
      boolean cached,
      int bias,
      int repeat) {

    DispatchOptions dispatch(SegmentAllocator memory) {
      return DispatchOptions.DEFAULT
          .withExpertAlignment(alignment)
          .withNumWorstTokens(worstTokens)
          .withPlacement(placement == Place.owned ? Placement.owned(memory) : Placement.BORROWED);
    }
  }

  /// What a rank reports.
  ///
  /// Safe for any thread.
  ///
  /// @param rows received rows
  /// @param windowBytes of this rank, with what other nodes write
  /// @param transport of the buffer
  record Report(long rows, long windowBytes, String transport) {}

  @Override
  public Report run(ProcessGroup group, Path folder) {
    Engine opened = Engines.open(engine);
    try (SafetensorsFile recorded = SafetensorsFile.open(Path.of(file));
        Arena arena = Arena.ofShared()) {
      ReplayInput input = ReplayInput.read(recorded, group.rank(), arena);
      BufferSpec spec = spec(input, ReplayInput.numExperts(recorded), group.size());
      try (EpBuffer buffer = EpBuffer.open(opened, spec, group)) {
        return replay(buffer, input, folder);
      }
    }
  }

  /// The windows hold the worst case, or more if the caller asks for more rows than that.
  private BufferSpec spec(ReplayInput input, int numExperts, int numRanks) {
    BufferSpecBuilder builder =
        BufferSpec.builder()
            .numMaxTokensPerRank(maxTokens)
            .hidden(input.hidden())
            .topk(input.topk())
            .numExperts(numExperts);
    long worstCase = builder.build().windowRows(numRanks);
    return builder.capacityRows(Math.max(worstCase, options.worstTokens)).build();
  }

  private Report replay(EpBuffer buffer, ReplayInput input, Path folder) {
    int rank = buffer.group().rank();
    try (Arena arena = Arena.ofShared()) {
      ReplayOutput first = once(buffer, input, arena);
      for (int run = 1; run < options.repeat; run++) {
        repeat(buffer, input, first, run);
      }
      first.write(folder.resolve("rank" + rank + ".safetensors"), rank);
      return new Report(first.numRows(), BenchTask.Place.windowBytes(buffer), buffer.transport());
    }
  }

  private void repeat(EpBuffer buffer, ReplayInput input, ReplayOutput first, int run) {
    try (Arena arena = Arena.ofShared()) {
      first.checkSame(once(buffer, input, arena), buffer.group().rank(), run);
    }
  }

  private ReplayOutput once(EpBuffer buffer, ReplayInput input, Arena arena) {
    EngineTensors engine = new EngineTensors(buffer.memory());
    DispatchInput rows = engine.input(input.dispatchInput(dtype, arena));
    DispatchOptions choice = options.dispatch(engine.allocator(arena));
    Layout layout = buffer.layout(rows.topkIdx().orElseThrow(), buffer.spec().numExperts());
    try (DispatchResult fresh = buffer.dispatch(rows, layout, choice)) {
      if (!options.cached) {
        return finish(buffer, input, fresh, fresh, arena);
      }
      DispatchInput again =
          new DispatchInput(rows.x(), rows.scales(), Optional.empty(), Optional.empty());
      try (DispatchResult second = buffer.dispatch(again, fresh.handle(), choice)) {
        return finish(buffer, input, fresh, second, arena);
      }
    }
  }

  private ReplayOutput finish(
      EpBuffer buffer, ReplayInput input, DispatchResult fresh, DispatchResult rows, Arena arena) {
    ReplayOutput output = new ReplayOutput(buffer.memory(), arena, fresh.numRecvTokens());
    output.dispatched(fresh, rows);
    EngineTensors engine = new EngineTensors(buffer.memory());
    Tensor[] bias = engine.tensors(input.bias(options.bias));
    ExpertLayer experts = new ExpertLayer(expert, buffer);
    CombineResult home;
    if (options.zeroCopy) {
      try (CombineBuffer place = buffer.combineBuffer(fresh.handle())) {
        experts.run(fresh, rows, place.tensor());
        home = combine(buffer, bias, fresh, place.tensor());
      }
    } else {
      long outputRows = fresh.handle().numOutputRows();
      Tensor y = Tensor.allocate(engine.allocator(arena), DType.BF16, outputRows, input.hidden());
      experts.run(fresh, rows, y);
      home = combine(buffer, bias, fresh, y);
    }
    output.combined(home);
    return output;
  }

  private static CombineResult combine(
      EpBuffer buffer, Tensor[] bias, DispatchResult fresh, Tensor y) {
    CombineInput sum =
        CombineInput.of(y).withTopkWeights(fresh.recvTopkWeights().orElseThrow()).withBias(bias);
    return buffer.combine(sum, fresh.handle());
  }
}
