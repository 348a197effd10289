package io.crossdock.cli;

import io.crossdock.cli.safetensors.SafetensorsFile;
import io.crossdock.cli.safetensors.TensorInfo;
import io.crossdock.core.EngineUnavailableException;
import io.crossdock.core.InvalidInputException;
import java.io.PrintWriter;
import java.lang.foreign.Arena;
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
          + " last row that arrived are written as zeros."
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

  @Option(names = "--placement", defaultValue = "borrowed", description = "borrowed or owned.")
  private ReplayTask.Place placement;

  @Option(names = "--zero-copy", description = "Experts write into the combine buffer.")
  private boolean zeroCopy;

  @Option(names = "--alignment", defaultValue = "1", description = "expertAlignment.")
  private int alignment;

  @Option(names = "--worst-tokens", defaultValue = "0", description = "numWorstTokens.")
  private long worstTokens;

  @Option(names = "--cached", description = "Outputs are those of a second, cached dispatch.")
  private boolean cached;

  @Option(
      names = "--bias",
      defaultValue = "0",
      description = "Bias tensors of the file: 0, 1 or 2.")
  private int bias;

  @Option(names = "--repeat", defaultValue = "1", description = "Runs; fails if any byte differs.")
  private int repeat;

  @Option(names = "--hook", description = "Low-latency mode: receive in a hook.")
  private boolean hook;

  @Option(names = "--round-scale", description = "Low-latency mode: power-of-two scales.")
  private boolean roundScale;

  @Option(names = "--ue8m0", description = "Low-latency mode: packed UE8M0 scales.")
  private boolean ue8m0;

  @Option(names = "--logfmt", description = "Low-latency mode: combine in LogFMT-10.")
  private boolean logfmt;

  @Override
  public Integer call() {
    PrintWriter err = spec.commandLine().getErr();
    checkMode();
    String name = engine.resolve(err);
    int numRanks;
    ReplayTask task;
    try (SafetensorsFile recorded = SafetensorsFile.open(file)) {
      numRanks = checkRanks(recorded);
      task =
          new ReplayTask(
              file.toAbsolutePath().toString(),
              name,
              expert,
              dtype,
              checkMaxTokens(recorded, numRanks),
              options());
    }
    try (Job job = new Job();
        Progress progress = Progress.start("replaying " + file.getFileName())) {
      List<ReplayTask.Report> reports =
          job.run(task, numRanks, engine.launch(), engine.timeout(), ReplayTask.Report.class);
      progress.finish();
      finish(job, task, reports);
    }
    return ExitCode.DONE.code;
  }

  private void checkMode() {
    if (mode.equals("low-latency")) {
      throw new EngineUnavailableException(
          "low-latency", List.of("this build has normal mode only: mode=" + mode));
    }
    if (!mode.equals("normal")) {
      throw new InvalidInputException("unknown mode: mode=" + mode);
    }
    if (hook || roundScale || ue8m0 || logfmt) {
      throw new InvalidInputException(
          "--hook, --round-scale, --ue8m0 and --logfmt need --mode low-latency: mode=" + mode);
    }
  }

  private ReplayTask.Options options() {
    if (bias < 0 || bias > 2 || repeat < 1) {
      throw new InvalidInputException("option out of range: bias=" + bias + ", repeat=" + repeat);
    }
    ReplayTask.Options options =
        new ReplayTask.Options(placement, zeroCopy, alignment, worstTokens, cached, bias, repeat);
    // The engine's own options refuse what is out of range, here before any rank starts.
    options.dispatch(Arena.ofAuto());
    return options;
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

  private void finish(Job job, ReplayTask task, List<ReplayTask.Report> reports) {
    if (out != null) {
      List<Path> parts = new ArrayList<>();
      for (int rank = 0; rank < reports.size(); rank++) {
        parts.add(job.folder().resolve("rank" + rank + ".safetensors"));
      }
      ReplayOutput.join(parts, out);
    }
    Map<String, Object> summary = summary(job, task, reports);
    if (json != null) {
      Json.write(json, summary);
    }
    PrintWriter writer = spec.commandLine().getOut();
    writer.printf(
        "replayed %s: ranks=%d, engine=%s, launch=%s, rows=%s, repeat=%d%n",
        file.getFileName(),
        reports.size(),
        task.engine(),
        engine.launch(),
        summary.get("rows"),
        repeat);
    writer.flush();
  }

  private Map<String, Object> summary(Job job, ReplayTask task, List<ReplayTask.Report> reports) {
    Map<String, Object> summary = new LinkedHashMap<>();
    summary.put("schema", "crossdock.replay/1");
    summary.put("mode", mode);
    summary.put("engine", task.engine());
    summary.put("transport", reports.getFirst().transport());
    summary.put("launch", engine.launch().name());
    summary.put("ranks", reports.size());
    summary.put("nodes", engine.nodes());
    summary.put("max_tokens", task.maxTokens());
    summary.put("dtype", dtype.name());
    summary.put("expert", expert.name());
    summary.put("placement", placement.name() + "," + (zeroCopy ? "zero-copy" : "staged"));
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
