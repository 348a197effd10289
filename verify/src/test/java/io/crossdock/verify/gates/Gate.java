package io.crossdock.verify.gates;

import java.util.List;

/// A figure of a benchmark that must hold on one H200, and the one that we aim at.
///
/// Safe for any thread.
///
/// @param ranks of the run
/// @param sms of a rank
/// @param tokens of a rank in a benchmark of low-latency mode; 0 in one of normal mode
/// @param dtype of the rows, `bf16` or `fp8`
/// @param figure what is compared
/// @param gate must hold
/// @param aim is wanted; equal to the gate where there is none
record Gate(int ranks, int sms, int tokens, String dtype, Figure figure, double gate, double aim) {

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
    COMBINE_RATE("combine GB/s", false),
    /// A dispatch without a hook in a graph.
    LL_DISPATCH("dispatch us", true),
    /// A combine without a hook in a graph.
    LL_COMBINE("combine us", true),
    /// The halves of a dispatch with a hook.
    LL_DISPATCH_SEND("dispatch, send half us", true),
    LL_DISPATCH_RECEIVE("dispatch, receive half us", true),
    /// The halves of a combine with a hook.
    LL_COMBINE_SEND("combine, send half us", true),
    LL_COMBINE_RECEIVE("combine, receive half us", true);

    final String label;
    final boolean lessIsBetter;

    Figure(String label, boolean lessIsBetter) {
      this.label = label;
      this.lessIsBetter = lessIsBetter;
    }
  }

  /// The CUDA engine. Normal mode: 4096 tokens a rank, top-8 of 256; low latency: top-8 of 288, in
  /// a graph. H=7168.
  static final List<Gate> CUDA =
      List.of(
          normal(4, 24, "bf16", Figure.DISPATCH, 354, 325),
          normal(4, 24, "bf16", Figure.UNCACHED, 60, 30),
          normal(4, 24, "bf16", Figure.COMBINE, 335, 285),
          normal(4, 24, "fp8", Figure.DISPATCH, 181, 160),
          normal(4, 24, "fp8", Figure.UNCACHED, 60, 30),
          normal(4, 8, "bf16", Figure.DISPATCH_RATE, 400, 440),
          normal(4, 8, "bf16", Figure.COMBINE_RATE, 320, 400),
          normal(8, 16, "bf16", Figure.DISPATCH, 900, 900),
          normal(8, 16, "bf16", Figure.COMBINE, 800, 800),
          normal(8, 16, "fp8", Figure.DISPATCH, 460, 460),
          lowLatency(128, Figure.LL_DISPATCH, 42, 30),
          lowLatency(128, Figure.LL_COMBINE, 40, 33),
          lowLatency(128, Figure.LL_DISPATCH_SEND, 35, 24),
          lowLatency(128, Figure.LL_DISPATCH_RECEIVE, 45, 33),
          lowLatency(128, Figure.LL_COMBINE_SEND, 70, 60),
          lowLatency(128, Figure.LL_COMBINE_RECEIVE, 42, 34),
          lowLatency(1, Figure.LL_DISPATCH, 15, 9),
          lowLatency(1, Figure.LL_COMBINE, 10, 8));

  static Gate normal(int ranks, int sms, String dtype, Figure figure, double gate, double aim) {
    return new Gate(ranks, sms, 0, dtype, figure, gate, aim);
  }

  /// Eight ranks of 16 multiprocessors, FP8 there and BF16 back.
  static Gate lowLatency(int tokens, Figure figure, double gate, double aim) {
    return new Gate(8, 16, tokens, "fp8", figure, gate, aim);
  }

  boolean holds(double value) {
    return figure.lessIsBetter ? value <= gate : value >= gate;
  }

  boolean isLowLatency() {
    return tokens > 0;
  }

  String run() {
    return ranks + "x" + sms + " " + (isLowLatency() ? "ll " + tokens : dtype);
  }
}
