package io.crossdock.cli;

import io.crossdock.core.InvalidInputException;
import java.util.Arrays;
import java.util.List;
import picocli.CommandLine.ParseResult;

/// The modes of a replay, and the options that only one of them has.
///
/// Safe for any thread.
enum ReplayMode {
  /// Training and prefill.
  NORMAL("normal", List.of("--placement", "--alignment", "--worst-tokens", "--cached", "--bias")),
  /// Decode.
  LOW_LATENCY("low-latency", List.of("--hook", "--round-scale", "--ue8m0", "--logfmt"));

  /// As it is written on the command line.
  final String key;

  @SuppressWarnings("ImmutableEnumChecker") // Lists that cannot be changed.
  private final List<String> options;

  ReplayMode(String key, List<String> options) {
    this.key = key;
    this.options = options;
  }

  /// {@return the mode of a command line}
  ///
  /// @param key what was written
  /// @param given the command line
  /// @throws InvalidInputException if there is no such mode, or an option of the other was given
  static ReplayMode of(String key, ParseResult given) {
    ReplayMode mode =
        Arrays.stream(values())
            .filter(known -> known.key.equals(key))
            .findFirst()
            .orElseThrow(() -> new InvalidInputException("unknown mode: mode=" + key));
    for (ReplayMode other : values()) {
      List<String> foreign =
          other.options.stream().filter(option -> given.hasMatchedOption(option)).toList();
      if (other != mode && !foreign.isEmpty()) {
        throw new InvalidInputException(
            String.join(", ", foreign) + " needs --mode " + other.key + ": mode=" + key);
      }
    }
    return mode;
  }
}
