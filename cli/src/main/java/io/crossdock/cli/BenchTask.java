package io.crossdock.cli;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.CombineConfig;
import io.crossdock.core.CombineOptions;
import io.crossdock.core.Device;
import io.crossdock.core.DeviceInfo;
import io.crossdock.core.DispatchConfig;
import io.crossdock.core.DispatchOptions;
import io.crossdock.core.Domain;
import io.crossdock.core.Engine;
import io.crossdock.core.Engines;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.core.routing.RoutingSampler;
import io.crossdock.core.routing.Skew;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.Map;
import java.util.Optional;

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
/// @param gpu what only a GPU has
/// @param network what only several nodes have
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
    long seed,
    GpuOptions gpu,
    NetworkOptions network)
    implements RankTask {

  /// What is in the caches of a GPU when a phase starts.
  ///
  /// Safe for any thread.
  enum Cache {
    /// What the phase before left there.
    warm,
    /// Nothing that the phase reads.
    flushed
  }

  /// Whether calls are also recorded and replayed.
  ///
  /// Safe for any thread.
  enum Graph {
    /// No.
    none,
    /// Cached dispatch and combine are replayed too.
    replayed
  }

  /// What only a GPU has.
  ///
  /// Safe for any thread.
  ///
  /// @param l2 cache before each phase
  /// @param graph whether calls are recorded too
  record GpuOptions(Cache l2, Graph graph) {
    static final GpuOptions DEFAULT = new GpuOptions(Cache.warm, Graph.none);
  }

  /// What only several nodes have.
  ///
  /// Safe for any thread.
  ///
  /// @param chunkRows that cross the network at a time
  record NetworkOptions(int chunkRows) {
    static final NetworkOptions DEFAULT = new NetworkOptions(DispatchConfig.NETWORK_CHUNK_ROWS);
  }

  /// What a rank reports.
  ///
  /// Safe for any thread.
  ///
  /// @param transport of the engine
  /// @param place where rows were moved
  /// @param rows how many
  /// @param checked what was compared with the reference
  /// @param times by phase
  /// @param network what other nodes got; null on one node
  record Report(
      String transport,
      Place place,
      Rows rows,
      Checked checked,
      Times times,
      NetworkReport network) {}

  /// Where rows were moved.
  ///
  /// Safe for any thread.
  ///
  /// @param device that the rank had, `host` or a GPU's name
  /// @param facts about a GPU; null on the host
  /// @param windowBytes of this rank, with what other nodes write
  /// @param workers threads or multiprocessors that a call used
  record Place(String device, String facts, long windowBytes, int workers) {
    static final String HOST = Device.HOST.toString();

    /// {@return registered bytes of this rank, with what other nodes write}
    static long windowBytes(EpBuffer buffer) {
      return buffer.windowBytes(Domain.SCALE_UP) + buffer.windowBytes(Domain.SCALE_OUT);
    }

    boolean onGpu() {
      return !device.equals(HOST);
    }
  }

  /// What a call moves.
  ///
  /// Safe for any thread.
  ///
  /// @param received rows received
  /// @param sent rows sent, local ones too
  /// @param remote rows sent to other ranks
  /// @param rowBytes of a dispatched row with its scales
  record Rows(long received, long sent, long remote, long rowBytes) {}

  /// What was compared with the reference before anything was timed.
  ///
  /// Safe for any thread.
  ///
  /// @param tokens of a rank
  /// @param bytes of this rank
  record Checked(int tokens, long bytes) {
    static final Checked NOTHING = new Checked(0, 0);
  }

  /// Durations in microseconds from the common start, by iteration.
  ///
  /// Safe for any thread once filled.
  ///
  /// @param micros by phase
  record Times(Map<BenchPhase, double[]> micros) {

    static Times of(int iterations, Iterable<BenchPhase> phases) {
      Map<BenchPhase, double[]> micros = new EnumMap<>(BenchPhase.class);
      phases.forEach(phase -> micros.put(phase, new double[iterations]));
      return new Times(micros);
    }

    void set(BenchPhase phase, int iteration, double value) {
      micros.get(phase)[iteration] = value;
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

  /// {@return options of a dispatch}
  ///
  /// @param numRanks R
  DispatchOptions dispatchOptions(int numRanks) {
    if (network.equals(NetworkOptions.DEFAULT)) {
      return DispatchOptions.DEFAULT;
    }
    DispatchConfig config = DispatchConfig.recommended(numRanks).withNumSms(sms);
    return DispatchOptions.DEFAULT.withConfig(config.withNetworkChunkRows(network.chunkRows));
  }

  /// {@return options of a combine}
  ///
  /// @param numRanks R
  CombineOptions combineOptions(int numRanks) {
    if (network.equals(NetworkOptions.DEFAULT)) {
      return CombineOptions.DEFAULT;
    }
    CombineConfig config = CombineConfig.recommended(numRanks).withNumSms(sms);
    return CombineOptions.DEFAULT.withConfig(config.withNetworkChunkRows(network.chunkRows));
  }

  @Override
  public Report run(ProcessGroup group, Path folder) {
    Engine opened = Engines.open(engine);
    try (Arena arena = Arena.ofShared();
        EpBuffer buffer = EpBuffer.open(opened, spec(), group)) {
      buffer.setNumSms(sms);
      Checked checked = verify ? new BenchCheck(this, buffer).run() : Checked.NOTHING;
      Optional<DeviceInfo> gpu = gpu(opened, buffer);
      BenchSetup setup = new BenchSetup(this, buffer, arena);
      Measured measured = measure(setup, gpu, arena);
      Place place =
          new Place(
              buffer.memory().device().toString(),
              gpu.map(DeviceInfo::facts).orElse(null),
              Place.windowBytes(buffer),
              setup.workers);
      return new Report(
          buffer.transport(), place, setup.rows, checked, measured.times, measured.network);
    }
  }

  private static Optional<DeviceInfo> gpu(Engine engine, EpBuffer buffer) {
    return engine.devices().stream()
        .filter(info -> info.device().equals(buffer.memory().device()))
        .findFirst();
  }

  /// {@return facts about the GPU of a rank; null on the host}
  static String facts(Engine engine, EpBuffer buffer) {
    return gpu(engine, buffer).map(DeviceInfo::facts).orElse(null);
  }

  /// What a run gives; without a network on one node.
  ///
  /// Safe for any thread.
  ///
  /// @param times by phase
  /// @param network what other nodes got, or null
  record Measured(Times times, NetworkReport network) {}

  private static Measured measure(BenchSetup setup, Optional<DeviceInfo> gpu, Arena arena) {
    if (setup.isOnHost()) {
      try (BenchRun run = new BenchRun(setup, arena)) {
        return run.measure();
      }
    }
    try (DeviceRun run = new DeviceRun(setup, gpu.map(DeviceInfo::cacheBytes).orElse(0L))) {
      return new Measured(run.measure(), null);
    }
  }
}
