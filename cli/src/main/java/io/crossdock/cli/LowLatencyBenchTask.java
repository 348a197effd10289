package io.crossdock.cli;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.CombineConfig;
import io.crossdock.core.CombineFormat;
import io.crossdock.core.Device;
import io.crossdock.core.DispatchConfig;
import io.crossdock.core.Domain;
import io.crossdock.core.Engine;
import io.crossdock.core.Engines;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.LowLatencyCombineOptions;
import io.crossdock.core.LowLatencyDispatchOptions;
import io.crossdock.core.LowLatencyFormat;
import io.crossdock.core.Mode;
import io.crossdock.core.group.ProcessGroup;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/// Measures low-latency dispatch and combine of one rank at several sizes, after checking them.
///
/// Safe for any thread.
///
/// @param base engine, shapes, routing; its tokens are the largest size
/// @param sizes tokens of a rank, one measurement each
/// @param logfmt whether combine travels as LogFMT-10
/// @param hook whether the halves are timed apart, and with one rank late; on a GPU they always are
/// @param zeroCopy whether expert outputs lie in the combine buffer
record LowLatencyBenchTask(
    BenchTask base, List<Integer> sizes, boolean logfmt, boolean hook, boolean zeroCopy)
    implements RankTask {

  /// The compiler wants many short calls rather than a few long ones.
  private static final int WARM_UP_TOKENS = 32;

  /// What a rank reports.
  ///
  /// Safe for any thread.
  ///
  /// @param transport of the engine
  /// @param place where rows were moved
  /// @param sizes in the order of the task
  record Report(String transport, BenchTask.Place place, List<Size> sizes) {}

  /// One size on one rank.
  ///
  /// Safe for any thread once filled.
  ///
  /// @param tokens of each rank
  /// @param moved by a call
  /// @param checkedBytes compared with what is expected
  /// @param micros by phase and iteration
  /// @param network what other nodes got; null on one node
  record Size(
      int tokens,
      Moved moved,
      long checkedBytes,
      Map<LowLatencyPhase, double[]> micros,
      NetworkReport network) {

    static Map<LowLatencyPhase, double[]> times(int iterations) {
      Map<LowLatencyPhase, double[]> micros = new EnumMap<>(LowLatencyPhase.class);
      for (LowLatencyPhase phase : LowLatencyPhase.values()) {
        micros.put(phase, new double[iterations]);
      }
      return micros;
    }
  }

  /// What the calls of one rank move.
  ///
  /// Safe for any thread.
  ///
  /// @param selections sent by a dispatch and brought home by a combine
  /// @param dispatchBytes of rows that a dispatch sends, local ones too
  /// @param dispatchWire those that leave this rank
  /// @param combineBytes of rows that a combine sends, local ones too
  /// @param combineWire those that leave this rank
  /// @param homeBytes read at home by a dispatch, and written there by a combine, where the copy
  ///   limit counts both; 0 on the host
  record Moved(
      long selections,
      long dispatchBytes,
      long dispatchWire,
      long combineBytes,
      long combineWire,
      long homeBytes) {}

  LowLatencyFormat format() {
    return base.dtype() == ReplayTask.RowType.fp8 ? LowLatencyFormat.FP8 : LowLatencyFormat.BF16;
  }

  CombineFormat combineFormat() {
    return logfmt ? CombineFormat.LOGFMT10 : CombineFormat.BF16;
  }

  /// {@return options of a dispatch without a hook}
  ///
  /// @param numRanks R
  LowLatencyDispatchOptions dispatchOptions(int numRanks) {
    LowLatencyDispatchOptions options = LowLatencyDispatchOptions.DEFAULT.withFormat(format());
    DispatchConfig config = DispatchConfig.recommended(numRanks).withNumSms(base.sms());
    return base.sms() > 0 ? options.withConfig(config) : options;
  }

  /// {@return options of a combine without a hook}
  ///
  /// @param numRanks R
  LowLatencyCombineOptions combineOptions(int numRanks) {
    LowLatencyCombineOptions options = LowLatencyCombineOptions.DEFAULT.withFormat(combineFormat());
    CombineConfig config = CombineConfig.recommended(numRanks).withNumSms(base.sms());
    return base.sms() > 0 ? options.withConfig(config) : options;
  }

  /// {@return the buffer; its windows are for normal mode and as small as they can be}
  BufferSpec spec() {
    return BufferSpec.builder()
        .mode(Mode.LOW_LATENCY)
        .numMaxTokensPerRank(base.tokens())
        .hidden(base.hidden())
        .topk(base.topk())
        .numExperts(base.experts())
        .capacityRows(1)
        .build();
  }

  /// {@return bytes of a GPU that a rank needs at least: lanes, results with outputs, own outputs}
  ///
  /// @param numRanks R
  long deviceBytes(int numRanks) {
    long outputs = 2L * base.experts() * base.tokens() * base.hidden();
    return spec().sizeHint(Mode.LOW_LATENCY, Domain.SCALE_UP, numRanks) + 5 * outputs;
  }

  @Override
  public Report run(ProcessGroup group, Path folder) {
    Engine engine = Engines.open(base.engine());
    try (Arena arena = Arena.ofShared();
        EpBuffer buffer = EpBuffer.open(engine, spec(), group)) {
      LowLatencyBenchCalls.Memory memory = LowLatencyBenchCalls.allocate(this, buffer, arena);
      boolean onHost = buffer.memory().device().equals(Device.HOST);
      List<Size> measured = onHost ? onHost(buffer, memory) : onDevice(buffer, memory);
      BenchTask.Place place =
          new BenchTask.Place(
              buffer.memory().device().toString(),
              BenchTask.facts(engine, buffer),
              BenchTask.Place.windowBytes(buffer),
              memory.workers());
      return new Report(buffer.transport(), place, measured);
    }
  }

  private List<Size> onHost(EpBuffer buffer, LowLatencyBenchCalls.Memory memory) {
    try (LowLatencyBenchRun first =
        new LowLatencyBenchRun(this, Math.min(WARM_UP_TOKENS, base.tokens()), buffer, memory)) {
      first.warmUp();
    }
    List<Size> measured = new ArrayList<>();
    for (int tokens : sizes) {
      long checked = check(buffer, tokens);
      try (LowLatencyBenchRun run = new LowLatencyBenchRun(this, tokens, buffer, memory)) {
        measured.add(run.measure(checked));
      }
    }
    return measured;
  }

  private List<Size> onDevice(EpBuffer buffer, LowLatencyBenchCalls.Memory memory) {
    List<Size> measured = new ArrayList<>();
    for (int tokens : sizes) {
      long checked = check(buffer, tokens);
      try (Arena arena = Arena.ofShared()) {
        LowLatencyBenchCalls calls = new LowLatencyBenchCalls(this, tokens, buffer, memory, arena);
        try (LowLatencyDeviceRun run = new LowLatencyDeviceRun(calls, buffer::record)) {
          measured.add(new Size(tokens, calls.moved, checked, run.measure(), null));
        }
      }
    }
    return measured;
  }

  private long check(EpBuffer buffer, int tokens) {
    return base.verify() ? new LowLatencyCheck(this, buffer).run(tokens) : 0;
  }
}
