package io.crossdock.cli;

import io.crossdock.cli.safetensors.SafetensorsFile;
import io.crossdock.cli.safetensors.TensorInfo;
import io.crossdock.core.InvalidInputException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/// Runs recorded tensors through an engine.
///
/// Confined to one thread.
@Command(
    name = "replay",
    mixinStandardHelpOptions = true,
    description = {
      "Runs recorded tensors through the engine: dispatch, experts, combine.",
      "The file has rank{r}.x [t_r, H], rank{r}.topk_idx [t_r, K], rank{r}.topk_weights [t_r, K] and the"
          + " metadata string num_experts. With --worst-tokens, rows of recv_x and recv_scales behind the"
          + " last row that arrived are written as zeros. In low-latency mode so are the rows behind"
          + " ll_recv_count of an expert; their ll_src_info is -1. --zero-copy, --repeat and"
          + " --max-tokens work in both modes."
    })
final class ReplayCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;
  @Mixin private EngineChoice engine;

  @Parameters(index = "0", paramLabel = "FILE", description = "Recorded tensors (safetensors).")
  private Path file;

  @Option(names = "--ranks", description = "Ranks; must match the file.")
  private Integer ranks;

  @Option(names = "--mode", defaultValue = "normal", description = "normal or low-latency.")
  private String mode;

  @Option(names = "--expert", defaultValue = "identity", description = "identity or moe.")
  private ReplayTask.Expert expert;

  @Option(names = "--dtype", defaultValue = "bf16", description = "bf16 or fp8.")
  private ReplayTask.RowType dtype;

  @Option(names = "--max-tokens", description = "numMaxTokensPerRank (default: the largest).")
  private Integer maxTokens;

  @Option(names = "--out", description = "Where outputs are written (safetensors).")
  private Path out;

  @Option(names = "--json", description = "Where a summary is written.")
  private Path json;

  @Option(names = "--zero-copy", description = "Experts write into the combine buffer.")
  private boolean zeroCopy;

  @Option(names = "--repeat", defaultValue = "1", description = "Runs; fails if any byte differs.")
  private int repeat;

  @Mixin private NormalReplayChoice normal;
  @Mixin private LowLatencyReplayChoice lowLatency;
  private int usedMaxTokens;

  @Override
  public Integer call() {
    PrintWriter err = spec.commandLine().getErr();
    ReplayMode chosen = ReplayMode.of(mode, spec.commandLine().getParseResult());
    String name = engine.resolve(err);
    int numRanks;
    RankTask task;
    try (SafetensorsFile recorded = SafetensorsFile.open(file)) {
      numRanks = checkRanks(recorded);
      usedMaxTokens = checkMaxTokens(recorded, numRanks);
      task = task(chosen, name);
    }
    JobShape shape = engine.shape(numRanks);
    try (Job job = new Job();
        Progress progress = Progress.start("replaying " + file.getFileName())) {
      List<ReplayTask.Report> reports = job.run(task, shape, ReplayTask.Report.class);
      progress.finish();
      finish(job, chosen, name, reports);
    }
    return ExitCode.DONE.code;
  }

  private RankTask task(ReplayMode chosen, String name) {
    String path = file.toAbsolutePath().toString();
    return switch (chosen) {
      case NORMAL ->
          new ReplayTask(
              path, name, expert, dtype, usedMaxTokens, normal.options(zeroCopy, repeat));
      case LOW_LATENCY ->
          new LowLatencyReplayTask(
              path, name, expert, dtype, usedMaxTokens, lowLatency.options(zeroCopy, repeat));
    };
  }

  private int checkRanks(SafetensorsFile recorded) {
    int found = ReplayInput.numRanks(recorded);
    if (ranks != null && ranks != found) {
      throw new InvalidInputException(
          "--ranks does not match the file: ranks=" + ranks + ", recorded=" + found);
    }
    ReplayInput.numExperts(recorded);
    return found;
  }

  private int checkMaxTokens(SafetensorsFile recorded, int numRanks) {
    long largest = 1;
    for (int rank = 0; rank < numRanks; rank++) {
      TensorInfo x = recorded.find("rank" + rank + ".x").orElseThrow();
      if (x.shape().size() != 2) {
        throw new InvalidInputException("x is no matrix: rank=" + rank + ", shape=" + x.shape());
      }
      largest = Math.max(largest, x.size(0));
    }
    long chosen = maxTokens == null ? largest : maxTokens;
    if (chosen < largest || chosen > Integer.MAX_VALUE) {
      throw new InvalidInputException(
          "--max-tokens does not hold the file's: maxTokens=" + chosen + ", tokens=" + largest);
    }
    return (int) chosen;
  }

  private void finish(Job job, ReplayMode chosen, String name, List<ReplayTask.Report> reports) {
    if (out != null) {
      List<Path> parts = new ArrayList<>();
      for (int rank = 0; rank < reports.size(); rank++) {
        parts.add(job.folder().resolve("rank" + rank + ".safetensors"));
      }
      ReplayOutput.join(parts, out);
    }
    Map<String, Object> summary = summary(job, chosen, name, reports);
    if (json != null) {
      Json.write(json, summary);
    }
    PrintWriter writer = spec.commandLine().getOut();
    writer.printf(
        "replayed %s: ranks=%d, nodes=%d, engine=%s, launch=%s, rows=%s, repeat=%d%n",
        file.getFileName(),
        reports.size(),
        engine.nodes(),
        name,
        engine.launch(),
        summary.get("rows"),
        repeat);
    writer.flush();
  }

  private Map<String, Object> summary(
      Job job, ReplayMode chosen, String name, List<ReplayTask.Report> reports) {
    Map<String, Object> summary = new LinkedHashMap<>();
    summary.put("schema", "crossdock.replay/1");
    summary.put("mode", mode);
    summary.put("engine", name);
    summary.put("transport", reports.getFirst().transport());
    summary.put("launch", engine.launch().name());
    summary.put("ranks", reports.size());
    summary.put("nodes", engine.nodes());
    summary.put("max_tokens", usedMaxTokens);
    summary.put("dtype", dtype.name());
    summary.put("expert", expert.name());
    String source = zeroCopy ? "zero-copy" : "staged";
    if (chosen == ReplayMode.NORMAL) {
      summary.put("placement", normal.placement().name() + "," + source);
    } else {
      summary.put("placement", source);
      lowLatency.describe(summary);
    }
    summary.put("rows", reports.stream().map(ReplayTask.Report::rows).toList());
    summary.put("repeat", repeat);
    summary.put("verified", true);
    summary.put("pids", job.pids());
    summary.put(
        "window_bytes", reports.stream().mapToLong(ReplayTask.Report::windowBytes).max().orElse(0));
    summary.put("out", out == null ? null : out.toString());
    return summary;
  }
}
