package io.crossdock.cli;

import io.crossdock.core.InvalidInputException;
import java.util.List;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParseResult;

/// The options of a benchmark that low-latency mode alone has.
///
/// Confined to one thread.
final class LowLatencyBenchChoice {
  private static final List<String> NAMES = List.of("--logfmt", "--hook");

  /// What is measured unless `--tokens` says otherwise.
  private static final List<Integer> SIZES = List.of(1, 8, 32, 64, 128, 256);

  @Option(names = "--logfmt", description = "Low latency: combine in LogFMT-10.")
  private boolean logfmt;

  @Option(
      names = "--hook",
      description = {
        "Low latency: time send and receive halves apart, and the send half while the last rank is"
            + " busy for 5 ms."
      })
  private boolean hook;

  /// {@return tokens of a rank to measure at}
  ///
  /// @param given the command line
  /// @param tokens of `--tokens`
  static List<Integer> sizes(ParseResult given, int tokens) {
    return given.hasMatchedOption("--tokens") ? List.of(tokens) : SIZES;
  }

  /// {@return the largest of the sizes}
  static int largest(List<Integer> sizes) {
    return sizes.stream().mapToInt(Integer::intValue).max().orElseThrow();
  }

  /// Refuses options of low-latency mode elsewhere.
  static void checkAbsent(ParseResult given) {
    List<String> foreign = NAMES.stream().filter(given::hasMatchedOption).toList();
    if (!foreign.isEmpty()) {
      throw new InvalidInputException(
          String.join(", ", foreign) + " needs bench low-latency: bench=intranode");
    }
  }

  LowLatencyBenchTask task(BenchTask base, List<Integer> sizes) {
    return new LowLatencyBenchTask(base, sizes, logfmt, hook);
  }
}
