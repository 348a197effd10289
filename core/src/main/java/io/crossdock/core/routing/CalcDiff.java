package io.crossdock.core.routing;

import io.crossdock.core.InvalidInputException;

/// How far two tensors are apart: 1 - 2 * sum(xy) / sum(x^2 + y^2) in float64, with 1 added to
/// every element first.
///
/// Safe for any thread.
public final class CalcDiff {
  private CalcDiff() {}

  /// {@return the distance: 0 for equal tensors, NaN if an element is not finite}
  ///
  /// @param x elements
  /// @param y as many elements
  public static double of(float[] x, float[] y) {
    if (x.length != y.length) {
      throw new InvalidInputException(
          "tensors differ in size: elements=" + x.length + ", otherElements=" + y.length);
    }
    double product = 0;
    double squares = 0;
    for (int i = 0; i < x.length; i++) {
      double a = x[i] + 1.0;
      double b = y[i] + 1.0;
      product += a * b;
      squares += a * a + b * b;
    }
    return squares == 0 ? 0 : 1 - 2 * product / squares;
  }
}
