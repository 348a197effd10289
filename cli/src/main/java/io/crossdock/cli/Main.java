package io.crossdock.cli;

import java.io.PrintWriter;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.ScopeType;

/// The command line.
///
/// Safe for any thread.
@Command(
    name = "crossdock",
    description = "Expert-parallel dispatch and combine for the JVM.",
    mixinStandardHelpOptions = true,
    versionProvider = Version.class,
    subcommands = {
      DemoCommand.class,
      BenchCommand.class,
      ReplayCommand.class,
      LaunchCommand.class,
      DoctorCommand.class,
      TraceSvgCommand.class,
      WorkerCommand.class
    },
    footer =
        "Exit codes: 0 done and verified, 2 bad usage or input, 3 verification failed,"
            + " 4 engine or transport not available, 5 peer failure or timeout.")
public final class Main {
  @Option(
      names = "--debug",
      description = "Print the stack trace of a failure.",
      scope = ScopeType.INHERIT)
  private boolean debug;

  private Main() {}

  /// Runs the command line and exits with its code.
  ///
  /// @param arguments of the command line
  public static void main(String... arguments) {
    System.exit(run(arguments));
  }

  /// Runs the command line.
  ///
  /// @param arguments of the command line
  /// @return exit code
  public static int run(String... arguments) {
    Main main = new Main();
    CommandLine line = new CommandLine(main);
    line.setCaseInsensitiveEnumValuesAllowed(true);
    line.setParameterExceptionHandler(Main::usage);
    line.setExecutionExceptionHandler((failure, command, _) -> fail(failure, command, main.debug));
    line.setExecutionStrategy(new CommandLine.RunLast());
    return line.execute(arguments);
  }

  private static int usage(CommandLine.ParameterException failure, String[] arguments) {
    PrintWriter err = failure.getCommandLine().getErr();
    err.println("crossdock: " + failure.getMessage());
    err.println("Try: " + failure.getCommandLine().getCommandSpec().qualifiedName() + " --help");
    return ExitCode.BAD_INPUT.code;
  }

  private static int fail(Exception failure, CommandLine command, boolean debug) {
    PrintWriter err = command.getErr();
    err.println("crossdock: " + Job.message(failure));
    if (debug) {
      failure.printStackTrace(err);
    }
    err.flush();
    return ExitCode.of(failure).code;
  }
}
