package io.crossdock.cli;

import io.crossdock.core.EngineInfo;
import io.crossdock.core.Engines;
import io.crossdock.core.Transports;
import io.crossdock.ffi.NativeLibrary;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Scanner;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/// Says what works here and why the rest does not.
///
/// Confined to one thread.
@Command(
    name = "doctor",
    mixinStandardHelpOptions = true,
    description = "Says what works on this machine, and why the rest does not.")
final class DoctorCommand implements Callable<Integer> {
  private static final long MIB = 1 << 20;
  private static final Path MEMORY = Path.of("/proc/meminfo");

  @Spec private CommandSpec spec;

  @Option(
      names = "--watch",
      description = "Print each second whom running ranks of the host engine wait for.")
  private boolean watch;

  @Option(names = "--seconds", description = "With --watch: end after so many seconds.")
  private Integer seconds;

  @Override
  public Integer call() throws InterruptedException {
    PrintWriter out = spec.commandLine().getOut();
    if (seconds != null && (!watch || seconds < 1)) {
      throw new ParameterException(
          spec.commandLine(), "--seconds needs --watch and at least 1: seconds=" + seconds);
    }
    if (watch) {
      new WaitWatch(out).run(seconds == null ? Integer.MAX_VALUE : seconds);
      return ExitCode.DONE.code;
    }
    machine(out);
    engines(out);
    transports(out);
    others(out);
    out.flush();
    return ExitCode.DONE.code;
  }

  private static void machine(PrintWriter out) {
    fact(out, "cpu", SystemFacts.cpuModel());
    fact(out, "cores", Runtime.getRuntime().availableProcessors() + " usable");
    fact(out, "memory", SystemFacts.lineValue(MEMORY, "MemTotal").orElse("unknown"));
    fact(out, "memory free", SystemFacts.lineValue(MEMORY, "MemAvailable").orElse("unknown"));
    fact(
        out,
        "shared memory",
        SystemFacts.sharedMemory()
            + ", "
            + SystemFacts.sharedMemoryUsableBytes() / MIB
            + " MiB usable");
    fact(out, "locked memory", limit("Max locked memory") + " bytes");
    fact(out, "open files", limit("Max open files"));
    fact(out, "jdk", System.getProperty("java.vendor") + " " + Runtime.version());
    fact(out, "crossdock", Version.text());
  }

  private static String limit(String name) {
    return SystemFacts.lineValue(Path.of("/proc/self/limits"), name)
        .map(line -> new Scanner(line.substring(name.length())).next())
        .orElse("unknown");
  }

  private static void engines(PrintWriter out) {
    for (EngineInfo info : Engines.list()) {
      String state = info.isAvailable() ? "works" : "cannot run: " + info.reasons();
      fact(out, "engine " + info.name(), state + " (" + info.description() + ")");
      Engines.details(info.name()).forEach(line -> fact(out, "  " + info.name(), line));
    }
  }

  /// Ways between nodes, and for each mode the settings that are in effect.
  private static void transports(PrintWriter out) {
    List<EngineInfo> all = Transports.list();
    for (EngineInfo info : all) {
      String state =
          info.isAvailable()
              ? "works"
              : "cannot run: " + info.reasons() + ", install with: " + NodeTransport.INSTALL;
      fact(out, "transport " + info.name(), state + " (" + info.description() + ")");
      if (info.isAvailable()) {
        Transports.details(info.name()).forEach(line -> fact(out, "  " + info.name(), line));
      }
    }
    if (all.isEmpty()) {
      fact(out, "transport between nodes", "not in this build");
    }
    boolean hasTwin = Files.isReadable(Path.of("/usr/include/ucp/api/ucp.h"));
    fact(
        out,
        "ucx headers (peer)",
        hasTwin ? "found" : "not found, install with: apt-get install libucx-dev");
  }

  /// Engines that are not in this build, and tools: what of them the machine has.
  private static void others(PrintWriter out) {
    if (Engines.list().stream().noneMatch(info -> info.name().equals("cuda"))) {
      NativeLibrary driver = NativeLibrary.probe("libcuda.so.1");
      fact(
          out,
          "engine cuda",
          "not in this build; NVIDIA driver: "
              + (driver.isAvailable() ? "found" : driver.reasons()));
    }
    fact(
        out,
        "nvcc",
        SystemFacts.firstLine(List.of("sh", "-c", "nvcc --version | tail -n 1"))
            .filter(line -> !line.isBlank())
            .orElse("not found"));
    boolean mpi = Files.isExecutable(Path.of("/usr/bin/mpicc"));
    fact(
        out,
        "open mpi (peer of benchmarks)",
        mpi ? "found" : "not found, install with: apt-get install openmpi-bin libopenmpi-dev");
  }

  private static void fact(PrintWriter out, String name, String value) {
    out.printf("%-30s %s%n", name, value);
  }
}
