package io.crossdock.cli;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/// Starts local ranks of any program.
///
/// Confined to one thread.
@Command(
    name = "launch",
    mixinStandardHelpOptions = true,
    description = {
      "Starts local ranks of a program.",
      "Each gets RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT and a"
          + " fresh CROSSDOCK_SECRET in its environment. When one fails the others are ended; the exit"
          + " code is that of the first that failed.",
      "With --nodes ranks are told that they are on several machines: LOCAL_RANK counts within a node and"
          + " LOCAL_WORLD_SIZE is the size of a node, so a buffer reaches the others through a transport."
    })
final class LaunchCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Option(names = "-n", required = true, description = "Number of ranks.")
  private int numRanks;

  @Option(
      names = "--nodes",
      defaultValue = "1",
      description = "Nodes of equal size that ranks are split into (default: ${DEFAULT-VALUE}).")
  private int nodes;

  @Option(
      names = "--timeout",
      defaultValue = "86400",
      description = "Seconds the program may run (default: ${DEFAULT-VALUE}).")
  private int timeoutSeconds;

  @Parameters(arity = "1..*", paramLabel = "COMMAND", description = "Program and arguments.")
  private List<String> command;

  @Override
  public Integer call() {
    if (numRanks < 1) {
      throw new ParameterException(
          spec.commandLine(), "number of ranks must be positive: n=" + numRanks);
    }
    JobShape.checkNodes(numRanks, nodes);
    try (LocalRanks ranks = new LocalRanks()) {
      ranks.start(numRanks, nodes, command, System.out);
      List<Integer> codes = ranks.await(Duration.ofSeconds(timeoutSeconds));
      int first = codes.stream().filter(code -> code != 0).findFirst().orElse(0);
      return ranks.firstFailure().orElse(first);
    }
  }
}
