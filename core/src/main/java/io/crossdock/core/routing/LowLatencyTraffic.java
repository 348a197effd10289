package io.crossdock.core.routing;

import io.crossdock.core.CombineFormat;
import io.crossdock.core.LowLatencyFormat;
import io.crossdock.core.format.Fp8Groups;
import io.crossdock.core.format.LogFmt10;

/// How many bytes low-latency calls count for: as many for each selection, whatever else travels.
/// Wire bytes are those of selections whose expert is not on the token's own rank; a dispatch sends
/// them and the combine brings their answers back.
///
/// Safe for any thread.
///
/// @param selections choices of a rank that are routes to ranks that are there
/// @param remote those whose expert lives on another rank
public record LowLatencyTraffic(long selections, long remote) {
  private static final int BF16_BYTES = 2;
  private static final int SCALE_BYTES = 4;
  private static final int FP8_HEADER_BYTES = 16;

  /// Counts the selections of a rank.
  ///
  /// @param home the rank
  /// @param input its choices
  /// @param spec where experts live and who is masked
  /// @return the counts
  public static LowLatencyTraffic of(int home, RankInput input, LowLatencySpec spec) {
    long selections = 0;
    long remote = 0;
    for (int at = 0; at < input.numTokens() * input.topk(); at++) {
      long expert = input.topkIdx()[at];
      if (spec.isSelection(expert)) {
        selections++;
        remote += spec.topology().rankOf(expert) == home ? 0 : 1;
      }
    }
    return new LowLatencyTraffic(selections, remote);
  }

  /// {@return bytes that a selection of a dispatch counts for; packed scales count as float32}
  ///
  /// @param format of the rows
  /// @param hidden H
  public static long dispatchBytes(LowLatencyFormat format, int hidden) {
    long scales = (long) SCALE_BYTES * (hidden / Fp8Groups.CHANNELS);
    return format.isFp8() ? hidden + scales + FP8_HEADER_BYTES : (long) BF16_BYTES * hidden;
  }

  /// {@return bytes that a selection of a combine counts for; a last group of fewer than 128
  /// channels counts for a whole header}
  ///
  /// @param format of the rows
  /// @param hidden H
  public static long combineBytes(CombineFormat format, int hidden) {
    return switch (format) {
      case BF16 -> (long) BF16_BYTES * hidden;
      case LOGFMT10 -> LogFmt10.codedRowBytes(hidden);
    };
  }
}
