package io.crossdock.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.annotation.JsonNaming;
import io.crossdock.core.EngineUnavailableException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/// A put with a signal behind it in C on the same UCX, built here from the program in
/// `verify/peers` and run as two processes of this machine.
///
/// Confined to one thread.
final class UcxPeer {
  private static final String NAME = "peer ucx";
  private static final String PROGRAM = "ucx_signal";
  private static final String REMEDY = "apt-get install gcc libc6-dev libucx-dev (Debian packages)";
  private static final int ROUND_TRIPS = 10_000;
  private static final Duration TIMEOUT = Duration.ofMinutes(2);

  private final ToolRun tools;
  private final Path program;

  private UcxPeer(ToolRun tools, Path program) {
    this.tools = tools;
    this.program = program;
  }

  /// What one run reports; microseconds.
  ///
  /// Safe for any thread.
  ///
  /// @param roundTrips timed
  /// @param signalUsMedian half a round trip of a put with a signal behind it, median
  /// @param signalUsP99 99th percentile of the same
  /// @param checked whether no mark came before its data
  /// @param ucx version of the library
  @JsonNaming(PropertyNamingStrategies.SnakeCaseStrategy.class)
  record Report(
      int roundTrips, double signalUsMedian, double signalUsP99, boolean checked, String ucx) {}

  /// Builds the peer from this program's own sources with the compiler on the path.
  ///
  /// @param folder where the executable is put
  /// @return the peer, ready to run
  /// @throws EngineUnavailableException if sources, compiler or headers are missing
  static UcxPeer build(Path folder) {
    String home = System.getProperty("crossdock.home");
    if (home == null) {
      throw unavailable("the peer's source is not known: set -Dcrossdock.home=REPOSITORY");
    }
    return build(Path.of(home), System.getenv().getOrDefault("PATH", ""), folder);
  }

  /// Builds the peer.
  ///
  /// @param home root of the repository
  /// @param searchPath where the compiler is looked for, as in `PATH`
  /// @param folder where the executable is put
  /// @return the peer, ready to run
  /// @throws EngineUnavailableException if sources, compiler or headers are missing
  static UcxPeer build(Path home, String searchPath, Path folder) {
    Path source = home.resolve("verify", "peers", PROGRAM + ".c");
    if (!Files.isReadable(source)) {
      throw unavailable("no source: file=" + source);
    }
    List<String> missing = new ArrayList<>();
    Path compiler = MpiPeer.find("gcc", searchPath, missing).orElse(null);
    if (compiler == null) {
      throw unavailable("not on the path: tools=" + missing + ", remedy=" + REMEDY);
    }
    Path program = folder.resolve(PROGRAM);
    List<String> command =
        List.of(
            compiler.toString(),
            "-std=c17",
            "-O2",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-o",
            program.toString(),
            source.toString(),
            "-lucp",
            "-lucs");
    ToolRun tools = new ToolRun(folder);
    ToolRun.Output output = tools.run(command, TIMEOUT);
    if (output.exitCode() != 0) {
      throw unavailable(
          "gcc failed: exitCode="
              + output.exitCode()
              + ", remedy="
              + REMEDY
              + ", output="
              + MpiPeer.shown(output.err()));
    }
    return new UcxPeer(tools, program);
  }

  private static EngineUnavailableException unavailable(String reason) {
    return new EngineUnavailableException(NAME, List.of(reason));
  }

  /// Runs the peer once.
  ///
  /// @return what it measured
  /// @throws WorkerFailure if it fails or takes longer
  /// @throws VerificationException if a mark came before its data
  Report run() {
    List<String> command = List.of(program.toString(), Integer.toString(ROUND_TRIPS));
    ToolRun.Output output = tools.run(command, TIMEOUT);
    if (output.exitCode() == ExitCode.NOT_VERIFIED.code) {
      throw new VerificationException("peer's check failed: output=" + output.err().strip());
    }
    if (output.exitCode() != 0) {
      throw failure("exitCode=" + output.exitCode(), output.err());
    }
    try {
      return Json.mapper().readValue(output.out(), Report.class);
    } catch (JsonProcessingException e) {
      throw failure("report cannot be read", output.out());
    }
  }

  private static WorkerFailure failure(String cause, String output) {
    return new WorkerFailure(
        "peer failed: program=" + PROGRAM + ", " + cause + ", output=" + MpiPeer.shown(output),
        ExitCode.PEER_FAILED,
        WorkerFailure.Origin.OWN);
  }
}
