package io.crossdock.cli;

import io.crossdock.core.InvalidInputException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParseResult;

/// The options of a benchmark that low-latency mode alone has.
///
/// Confined to one thread.
final class LowLatencyBenchChoice {
  private static final List<String> NAMES =
      List.of(
          "--logfmt",
          "--hook",
          "--zero-copy",
          "--floor",
          "--overlap",
          "--compute",
          "--uneven",
          "--trace");

  /// What is measured unless `--tokens` says otherwise.
  private static final List<Integer> SIZES = List.of(1, 8, 16, 32, 64, 128, 256);

  /// Of a micro-batch, unless `--tokens` says otherwise.
  private static final int OVERLAP_TOKENS = 64;

  @Option(names = "--logfmt", description = "Low latency: combine in LogFMT-10.")
  private boolean logfmt;

  @Option(
      names = "--hook",
      description = {
        "Low latency: time send and receive halves apart, and the send half while the last rank is"
            + " busy for 5 ms. On a GPU always."
      })
  private boolean hook;

  @Option(
      names = "--zero-copy",
      description = "Low latency: expert outputs lie in the combine buffer; not with --logfmt.")
  private boolean zeroCopy;

  @Option(
      names = "--floor",
      description = {
        "Low latency: instead of the table, one token between two ranks beside a bare cast, two row"
            + " copies and three flag round trips of the same engine."
      })
  private boolean floor;

  @Option(
      names = "--overlap",
      description = {
        "Low latency: instead of the table, two micro-batches whose computing covers the"
            + " communication of the other, with hooks and without."
      })
  private boolean overlap;

  @Option(
      names = "--compute",
      defaultValue = "1000",
      description = "--overlap: microseconds a stage computes (default: ${DEFAULT-VALUE}).")
  private long computeMicros;

  @Option(
      names = "--uneven",
      defaultValue = "0",
      description = {
        "--overlap: percent by which even ranks compute longer for the first micro-batch and shorter"
            + " for the second, and odd ranks the other way round (default: ${DEFAULT-VALUE})."
      })
  private int unevenPercent;

  @Option(
      names = "--trace",
      description = "--overlap: where trace events for Chrome or Perfetto are written.")
  private Path trace;

  /// {@return tokens of a rank to measure at}
  ///
  /// @param given the command line
  /// @param tokens of `--tokens`
  List<Integer> sizes(ParseResult given, int tokens) {
    if (given.hasMatchedOption("--tokens")) {
      return List.of(tokens);
    }
    return overlap ? List.of(OVERLAP_TOKENS) : SIZES;
  }

  /// {@return the largest of the sizes}
  static int largest(List<Integer> sizes) {
    return sizes.stream().mapToInt(Integer::intValue).max().orElseThrow();
  }

  /// Refuses options of low-latency mode elsewhere.
  ///
  /// @param given the command line
  /// @param bench that was asked for
  static void checkAbsent(ParseResult given, String bench) {
    List<String> foreign = NAMES.stream().filter(given::hasMatchedOption).toList();
    if (!foreign.isEmpty()) {
      throw new InvalidInputException(
          String.join(", ", foreign) + " needs bench low-latency: bench=" + bench);
    }
  }

  /// Measures what was asked for.
  ///
  /// @param bench where
  /// @param base shapes; its tokens are the largest size
  /// @param sizes of the table
  /// @param out takes it
  void run(LowLatencyBench bench, BenchTask base, List<Integer> sizes, PrintWriter out) {
    if (floor && overlap) {
      throw new InvalidInputException("--floor does not go with --overlap: floor=true");
    }
    if (computeMicros < 0 || (trace != null && !overlap)) {
      throw new InvalidInputException(
          "--compute must not be negative and --trace needs --overlap: compute="
              + computeMicros
              + ", overlap="
              + overlap);
    }
    if (unevenPercent < 0 || unevenPercent > 100) {
      throw new InvalidInputException("--uneven must be from 0 to 100: uneven=" + unevenPercent);
    }
    if (zeroCopy && logfmt) {
      throw new InvalidInputException(
          "--zero-copy does not go with --logfmt: what is encoded is copied:"
              + " zeroCopy=true, logfmt=true");
    }
    LowLatencyBenchTask calls = new LowLatencyBenchTask(base, sizes, logfmt, hook, zeroCopy);
    if (floor) {
      bench.runFloor(calls, out);
    } else if (overlap) {
      bench.runOverlap(new LowLatencyOverlapTask(calls, computeMicros, unevenPercent), trace, out);
    } else {
      bench.run(calls, out);
    }
  }
}
