package io.crossdock.verify.gates;

import java.util.List;

/// A figure of a benchmark that must hold on one H200, and the one that we aim at.
///
/// Safe for any thread.
///
/// @param ranks of the run
/// @param sms of a rank
/// @param dtype of the rows, `bf16` or `fp8`
/// @param figure what is compared
/// @param gate must hold
/// @param aim is wanted; equal to the gate where there is none
record Gate(int ranks, int sms, String dtype, Figure figure, double gate, double aim) {

  /// What a gate compares. Times are medians in microseconds and bounded from above, rates are GB/s
  /// a rank and bounded from below.
  enum Figure {
    /// Dispatch along the handle of an earlier one, rows stay in the window.
    DISPATCH("dispatch us", true),
    /// What counts on the host and the layout add to that.
    UNCACHED("dispatch with layout, us more", true),
    /// Combine from the window.
    COMBINE("combine us", true),
    /// Rows that appear at a rank.
    DISPATCH_RATE("dispatch GB/s", false),
    /// Rows that a rank sums.
    COMBINE_RATE("combine GB/s", false);

    final String label;
    final boolean lessIsBetter;

    Figure(String label, boolean lessIsBetter) {
      this.label = label;
      this.lessIsBetter = lessIsBetter;
    }
  }

  /// Normal mode of the CUDA engine; 4096 tokens a rank, H=7168, top-8 of 256.
  static final List<Gate> CUDA =
      List.of(
          new Gate(4, 24, "bf16", Figure.DISPATCH, 354, 325),
          new Gate(4, 24, "bf16", Figure.UNCACHED, 60, 30),
          new Gate(4, 24, "bf16", Figure.COMBINE, 335, 285),
          new Gate(4, 24, "fp8", Figure.DISPATCH, 181, 160),
          new Gate(4, 24, "fp8", Figure.UNCACHED, 60, 30),
          new Gate(4, 8, "bf16", Figure.DISPATCH_RATE, 400, 440),
          new Gate(4, 8, "bf16", Figure.COMBINE_RATE, 320, 400),
          new Gate(8, 16, "bf16", Figure.DISPATCH, 900, 900),
          new Gate(8, 16, "bf16", Figure.COMBINE, 800, 800),
          new Gate(8, 16, "fp8", Figure.DISPATCH, 460, 460));

  boolean holds(double value) {
    return figure.lessIsBetter ? value <= gate : value >= gate;
  }

  String run() {
    return ranks + "x" + sms + " " + dtype;
  }
}
