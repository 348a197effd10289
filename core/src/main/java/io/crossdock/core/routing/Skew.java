package io.crossdock.core.routing;

import io.crossdock.core.InvalidInputException;

/// How unevenly experts are popular: the n-th most popular one in proportion to 1 / n^exponent.
///
/// Safe for any thread.
///
/// @param exponent 0 for uniform
public record Skew(double exponent) {
  /// All experts alike.
  public static final Skew UNIFORM = new Skew(0);

  private static final String ZIPF = "zipf:";

  /// Checks the range.
  public Skew {
    if (!(exponent >= 0 && exponent <= 10)) {
      throw new InvalidInputException(
          "skew is out of range: exponent=" + exponent + ", expected=0 to 10");
    }
  }

  /// Reads the form of the command line.
  ///
  /// @param text `uniform` or `zipf:S`
  /// @return the skew
  /// @throws InvalidInputException if it is neither
  public static Skew parse(String text) {
    if (text.equals("uniform")) {
      return UNIFORM;
    }
    if (text.startsWith(ZIPF)) {
      try {
        return new Skew(Double.parseDouble(text.substring(ZIPF.length())));
      } catch (NumberFormatException e) {
        throw unknown(text);
      }
    }
    throw unknown(text);
  }

  private static InvalidInputException unknown(String text) {
    return new InvalidInputException("unknown skew: skew=" + text + ", known=[uniform, zipf:S]");
  }
}
