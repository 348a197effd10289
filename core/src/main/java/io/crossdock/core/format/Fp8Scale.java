package io.crossdock.core.format;

/// How the scale of a group of FP8 values follows from the group's largest magnitude, amax (at
/// least 1e-4).
///
/// Safe for any thread.
public enum Fp8Scale {
  /// scale = amax / 448, q = x * (448 / amax). Both divisions are float32 divisions.
  AMAX,
  /// `roundScale`: scale = the power of two at or above amax / 448, q = x / scale.
  POWER_OF_TWO
}
