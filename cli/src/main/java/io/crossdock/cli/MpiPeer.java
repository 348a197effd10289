package io.crossdock.cli;

import io.crossdock.core.EngineUnavailableException;
import io.crossdock.core.InvalidInputException;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;

/// The classical exchange on Open MPI, built here from the C program in `verify/peers` and run by
/// `mpirun` on as many ranks of this machine.
///
/// Confined to one thread.
final class MpiPeer {
  private static final String NAME = "mpi";
  private static final String PROGRAM = "moe_alltoallv";
  private static final String REMEDY =
      "apt-get install openmpi-bin libopenmpi-dev (Debian packages)";
  private static final List<String> FLAGS =
      List.of("-std=c17", "-O3", "-march=native", "-Wall", "-Wextra", "-Werror");
  private static final Duration BUILD_TIMEOUT = Duration.ofMinutes(2);
  private static final int SHOWN_CHARACTERS = 2_000;

  private final ToolRun tools;
  private final Path mpirun;
  private final Path program;

  private MpiPeer(ToolRun tools, Path mpirun, Path program) {
    this.tools = tools;
    this.mpirun = mpirun;
    this.program = program;
  }

  /// Builds the peer from this program's own sources with the tools on the path.
  ///
  /// @param folder where the executable is put
  /// @return the peer, ready to run
  /// @throws EngineUnavailableException if sources or tools are missing
  static MpiPeer build(Path folder) {
    String home = System.getProperty("crossdock.home");
    if (home == null) {
      throw unavailable("the peer's source is not known: set -Dcrossdock.home=REPOSITORY");
    }
    return build(Path.of(home), System.getenv().getOrDefault("PATH", ""), folder);
  }

  /// Builds the peer.
  ///
  /// @param home root of the repository
  /// @param searchPath where tools are looked for, as in `PATH`
  /// @param folder where the executable is put
  /// @return the peer, ready to run
  /// @throws EngineUnavailableException if sources or tools are missing
  static MpiPeer build(Path home, String searchPath, Path folder) {
    Path source = home.resolve("verify", "peers", PROGRAM + ".c");
    if (!Files.isReadable(source)) {
      throw unavailable("no source: file=" + source);
    }
    List<String> missing = new ArrayList<>();
    Optional<Path> mpicc = find("mpicc", searchPath, missing);
    Optional<Path> mpirun = find("mpirun", searchPath, missing);
    if (!missing.isEmpty()) {
      throw unavailable("not on the path: tools=" + missing + ", remedy=" + REMEDY);
    }
    Path program = folder.resolve(PROGRAM);
    List<String> command = new ArrayList<>();
    command.add(mpicc.orElseThrow().toString());
    command.addAll(FLAGS);
    command.addAll(List.of("-o", program.toString(), source.toString()));
    ToolRun tools = new ToolRun(folder);
    ToolRun.Output output = tools.run(command, BUILD_TIMEOUT);
    if (output.exitCode() != 0) {
      throw unavailable(
          "mpicc failed: exitCode=" + output.exitCode() + ", output=" + shown(output.err()));
    }
    return new MpiPeer(tools, mpirun.orElseThrow(), program);
  }

  /// {@return a program on a path}
  ///
  /// @param tool its name
  /// @param searchPath where it is looked for
  /// @param missing takes the name if it is not there
  static Optional<Path> find(String tool, String searchPath, List<String> missing) {
    Optional<Path> found =
        Pattern.compile(File.pathSeparator, Pattern.LITERAL)
            .splitAsStream(searchPath)
            .filter(folder -> !folder.isEmpty())
            .map(folder -> Path.of(folder, tool))
            .filter(Files::isExecutable)
            .findFirst();
    if (found.isEmpty()) {
      missing.add(tool);
    }
    return found;
  }

  private static EngineUnavailableException unavailable(String reason) {
    return new EngineUnavailableException(NAME, List.of(reason));
  }

  /// Fails unless the peer can do the same job.
  ///
  /// @param task what is measured
  static void checkTask(BenchTask task) {
    if (task.dtype() != ReplayTask.RowType.bf16
        || task.groups() != 0
        || !task.skew().equals("uniform")) {
      throw new InvalidInputException(
          "the peer knows BF16 rows and uniform routing only: dtype="
              + task.dtype()
              + ", groups="
              + task.groups()
              + ", skew="
              + task.skew());
    }
  }

  /// Runs the peer once.
  ///
  /// @param task sizes, iterations and seed
  /// @param numRanks how many ranks
  /// @param timeout of the run
  /// @return what it measured
  /// @throws WorkerFailure if it fails or takes longer
  PeerReport run(BenchTask task, int numRanks, Duration timeout) {
    List<String> command = new ArrayList<>(List.of(mpirun.toString(), "--oversubscribe"));
    if (SystemFacts.isRoot()) {
      command.add("--allow-run-as-root");
    }
    command.addAll(List.of("-np", Integer.toString(numRanks), program.toString()));
    command.add(Integer.toString(task.tokens()));
    command.add(Integer.toString(task.hidden()));
    command.add(Integer.toString(task.experts()));
    command.add(Integer.toString(task.topk()));
    command.add(Integer.toString(task.iterations()));
    command.add(Long.toString(task.seed()));
    ToolRun.Output output = tools.run(command, timeout);
    if (output.exitCode() != 0) {
      throw new WorkerFailure(
          "peer failed: exitCode=" + output.exitCode() + ", output=" + shown(output.err()),
          ExitCode.ofCode(output.exitCode()),
          WorkerFailure.Origin.OWN);
    }
    PeerReport report = PeerReport.parse(output.out());
    report.checkJob(task, numRanks);
    return report;
  }

  /// The program's own words, or else the beginning of what its tools said.
  static String shown(String text) {
    Optional<String> own = text.lines().filter(line -> line.startsWith(PROGRAM + ":")).findFirst();
    String words = own.orElse(text.strip());
    return words.substring(0, Math.min(words.length(), SHOWN_CHARACTERS));
  }
}
