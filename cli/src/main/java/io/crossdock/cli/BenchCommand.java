package io.crossdock.cli;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.DispatchConfig;
import io.crossdock.core.Domain;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.Mode;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.Spec;

/// Measures dispatch and combine.
///
/// Confined to one thread.
@Command(
    name = "bench",
    mixinStandardHelpOptions = true,
    description = {
      "Checks, then measures dispatch and combine. low-latency measures at 1, 8, 16, 32, 64, 128 and 256"
          + " tokens, or at --tokens alone, with FP8 rows unless --dtype says otherwise.",
      "Times are the maximum over ranks from a common start. The copy limit is memcpy of as many bytes"
          + " by as many threads in the same run. In the JSON, ratios are bytes written by dispatch (read"
          + " by combine) per second over all ranks, divided by that limit. On a GPU times are those of"
          + " events, the limit is a device-to-device copy, and both count bytes read and written."
    })
final class BenchCommand implements Callable<Integer> {
  /// Whom we are measured against.
  enum Peer {
    /// Nobody.
    none,
    /// Open MPI.
    mpi,
    /// A program in C on UCX.
    ucx
  }

  @Spec private CommandSpec spec;
  @Mixin private EngineChoice engine;

  @Parameters(
      index = "0",
      paramLabel = "WHAT",
      description = "intranode, internode or low-latency.")
  private String what;

  @Option(names = "--ranks", defaultValue = "4", description = "Ranks (default: ${DEFAULT-VALUE}).")
  private int ranks;

  @Option(
      names = "--tokens",
      defaultValue = "512",
      description = "Tokens of a rank (default: ${DEFAULT-VALUE}).")
  private int tokens;

  @Option(names = "--hidden", defaultValue = "7168", description = "H (default: ${DEFAULT-VALUE}).")
  private int hidden;

  @Option(names = "--experts", defaultValue = "64", description = "E (default: ${DEFAULT-VALUE}).")
  private int experts;

  @Option(names = "--topk", defaultValue = "8", description = "K (default: ${DEFAULT-VALUE}).")
  private int topk;

  @Option(
      names = "--groups",
      defaultValue = "0",
      description = "Expert groups, of which half are kept, 4 of 8; 0: none (default: 0).")
  private int groups;

  @Option(
      names = "--dtype",
      defaultValue = "bf16",
      description = "Dispatched rows: bf16 or fp8 (default: ${DEFAULT-VALUE}).")
  private ReplayTask.RowType dtype;

  @Option(
      names = "--sms",
      defaultValue = "0",
      description = "Workers (GPU: multiprocessors) of a rank; 0: the engine's choice.")
  private int sms;

  @Option(
      names = "--skew",
      defaultValue = "uniform",
      description = "Popularity of experts: uniform or zipf:S (default: ${DEFAULT-VALUE}).")
  private String skew;

  @Option(
      names = "--iterations",
      defaultValue = "50",
      description = "Timed iterations (default: ${DEFAULT-VALUE}).")
  private int iterations;

  @Option(
      names = "--verify",
      negatable = true,
      defaultValue = "true",
      fallbackValue = "true",
      description = "Check against the routing reference first (default: on).")
  private boolean verify;

  @Option(
      names = "--seed",
      defaultValue = "1",
      description = "Seed of rows and routing (default: ${DEFAULT-VALUE}).")
  private long seed;

  @Option(
      names = "--peer",
      defaultValue = "none",
      description = {
        "none, or mpi: the same job by pack and MPI_Alltoallv, before and after ours in the same run;"
            + " the faster of the two counts. Needs mpicc and mpirun, BF16 rows, uniform routing and"
            + " at most 64 ranks. With internode ucx: put, fence and put by a program in C on the same"
            + " UCX. Needs gcc and libucx-dev (default: ${DEFAULT-VALUE})."
      })
  private Peer peer;

  @Option(
      names = "--flush-l2",
      description = "GPU: write over the level 2 cache before each phase, outside the time.")
  private boolean flushL2;

  @Option(
      names = "--graph",
      description = "GPU: also time cached dispatch and combine that are replayed by a CUDA graph.")
  private boolean graph;

  @Option(
      names = "--network-chunk-rows",
      paramLabel = "ROWS",
      description =
          "internode: rows that cross the network at a time (default: "
              + DispatchConfig.NETWORK_CHUNK_ROWS
              + ").")
  private Integer networkChunkRows;

  @Option(names = "--json", description = "Where results are written.")
  private Path json;

  @Option(names = "--report", description = "Where an HTML page is written.")
  private Path report;

  @Mixin private LowLatencyBenchChoice lowLatency;

  @Override
  public Integer call() {
    switch (what) {
      case "intranode" -> normal();
      case "low-latency" -> lowLatency();
      case "internode" -> {
        engine.setDefaultNodes(2);
        normal();
      }
      default ->
          throw new InvalidInputException(
              "unknown benchmark: bench=" + what + ", known=[intranode, internode, low-latency]");
    }
    return ExitCode.DONE.code;
  }

  private void lowLatency() {
    ParseResult given = spec.commandLine().getParseResult();
    List<Integer> sizes = lowLatency.sizes(given, tokens);
    if (!given.hasMatchedOption("--dtype")) {
      dtype = ReplayTask.RowType.fp8;
    }
    tokens = LowLatencyBenchChoice.largest(sizes);
    BenchTask base = task(engine.resolve(spec.commandLine().getErr()));
    if (peer != Peer.none || flushL2 || graph || networkChunkRows != null) {
      throw new InvalidInputException(
          "--peer, --flush-l2, --graph and --network-chunk-rows need normal mode: bench=" + what);
    }
    engine.shape(ranks);
    PrintWriter out = spec.commandLine().getOut();
    LowLatencyBench bench =
        new LowLatencyBench(engine, ranks, new LowLatencyBench.Files(json, report));
    lowLatency.run(bench, base, sizes, out);
    if (engine.nodes() > 1) {
      GroupTraffic.print(base, out);
      out.flush();
    }
  }

  private void normal() {
    LowLatencyBenchChoice.checkAbsent(spec.commandLine().getParseResult(), what);
    checkNodes();
    BenchTask task = task(engine.resolve(spec.commandLine().getErr()));
    engine.shape(ranks);
    checkPlace(task.spec());
    PrintWriter out = spec.commandLine().getOut();
    try (Job job = new Job();
        Progress progress = Progress.start("measuring " + what)) {
      InternodePeers peers = new InternodePeers(job.folder(), engine.transport());
      if (peer == Peer.ucx) {
        peers.build();
      }
      Summary summary = peer == Peer.mpi ? measureWithPeer(task, job) : measure(task, job);
      NetworkPeers others = engine.nodes() > 1 ? peers.finish() : NetworkPeers.NOBODY;
      progress.finish();
      BenchJson document =
          new BenchJson(summary, engine.launch(), job.pids(), others.toMap(summary));
      BenchTable.print(summary, out);
      if (engine.nodes() > 1) {
        GroupTraffic.print(task, out);
        others.print(summary, out);
      }
      if (json != null) {
        Json.write(json, document.toMap());
      }
      if (report != null) {
        BenchHtml.write(report, BenchHtml.page(summary, document));
      }
    }
  }

  private Summary measure(BenchTask task, Job job) {
    return new Summary(task, job.run(task, engine.shape(ranks), BenchTask.Report.class));
  }

  /// The peer runs on either side of ours, so that a slow machine slows both.
  private Summary measureWithPeer(BenchTask task, Job job) {
    MpiPeer.checkTask(task);
    MpiPeer mpi = MpiPeer.build(job.folder());
    PeerReport before = mpi.run(task, ranks, engine.timeout());
    Summary ours = measure(task, job);
    PeerReport after = mpi.run(task, ranks, engine.timeout());
    return new Summary(task, ours.reports(), List.of(before, after));
  }

  private void checkNodes() {
    boolean isInternode = what.equals("internode");
    if (isInternode != engine.nodes() > 1) {
      throw new InvalidInputException(
          "bench intranode measures one node, bench internode several: bench="
              + what
              + ", nodes="
              + engine.nodes());
    }
    if (peer == (isInternode ? Peer.mpi : Peer.ucx)) {
      throw new InvalidInputException(
          "--peer mpi needs bench intranode, --peer ucx bench internode: bench="
              + what
              + ", peer="
              + peer);
    }
    if (networkChunkRows != null && (!isInternode || networkChunkRows < 1)) {
      throw new InvalidInputException(
          "--network-chunk-rows needs bench internode and at least 1: bench="
              + what
              + ", networkChunkRows="
              + networkChunkRows);
    }
  }

  private BenchTask task(String name) {
    if (ranks < 1 || iterations < 1 || tokens < 1) {
      throw new InvalidInputException(
          "option out of range: ranks="
              + ranks
              + ", iterations="
              + iterations
              + ", tokens="
              + tokens);
    }
    if (dtype == ReplayTask.RowType.fp8 && hidden % BufferSpec.CHANNELS_PER_SCALE != 0) {
      throw new InvalidInputException("FP8 rows need a multiple of 128: hidden=" + hidden);
    }
    BenchTask task =
        new BenchTask(
            name,
            tokens,
            hidden,
            experts,
            topk,
            groups,
            skew,
            dtype,
            sms,
            iterations,
            verify,
            seed,
            new BenchTask.GpuOptions(
                flushL2 ? BenchTask.Cache.flushed : BenchTask.Cache.warm,
                graph ? BenchTask.Graph.replayed : BenchTask.Graph.none),
            networkChunkRows == null
                ? BenchTask.NetworkOptions.DEFAULT
                : new BenchTask.NetworkOptions(networkChunkRows));
    task.spec().checkGroup(ranks);
    task.sampler();
    return task;
  }

  /// What would only fail after every rank was started.
  private void checkPlace(BufferSpec buffer) {
    if (engine.devices().isEmpty()) {
      if (flushL2 || graph) {
        throw new InvalidInputException("--flush-l2 and --graph need a GPU: engine=host");
      }
      long windows = buffer.sizeHint(Mode.NORMAL, Domain.SCALE_UP, ranks);
      long landings = buffer.sizeHint(Mode.NORMAL, Domain.SCALE_OUT, ranks, ranks / engine.nodes());
      SystemFacts.checkSharedMemory(ranks, windows + landings);
      return;
    }
    if (peer != Peer.none) {
      throw new InvalidInputException("--peer needs the host engine: peer=" + peer);
    }
    long windows = buffer.sizeHint(Mode.NORMAL, Domain.SCALE_UP, ranks);
    DeviceFit.check(engine.devices(), ranks, sms, windows);
  }
}
