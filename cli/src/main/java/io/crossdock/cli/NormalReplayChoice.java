package io.crossdock.cli;

import io.crossdock.core.InvalidInputException;
import java.lang.foreign.Arena;
import picocli.CommandLine.Option;

/// The options of a replay that normal mode alone has.
///
/// Confined to one thread.
final class NormalReplayChoice {
  @Option(
      names = "--placement",
      defaultValue = "borrowed",
      description = "Normal mode: borrowed or owned.")
  private ReplayTask.Place placement;

  @Option(names = "--alignment", defaultValue = "1", description = "Normal mode: expertAlignment.")
  private int alignment;

  @Option(
      names = "--worst-tokens",
      defaultValue = "0",
      description = "Normal mode: numWorstTokens.")
  private long worstTokens;

  @Option(
      names = "--cached",
      description = "Normal mode: outputs are those of a second, cached dispatch.")
  private boolean cached;

  @Option(
      names = "--bias",
      defaultValue = "0",
      description = "Normal mode: bias tensors of the file: 0, 1 or 2.")
  private int bias;

  ReplayTask.Place placement() {
    return placement;
  }

  ReplayTask.Options options(boolean zeroCopy, int repeat) {
    if (bias < 0 || bias > 2 || repeat < 1) {
      throw new InvalidInputException("option out of range: bias=" + bias + ", repeat=" + repeat);
    }
    ReplayTask.Options options =
        new ReplayTask.Options(placement, zeroCopy, alignment, worstTokens, cached, bias, repeat);
    // The engine's own options refuse what is out of range, here before any rank starts.
    options.dispatch(Arena.ofAuto());
    return options;
  }
}
