package io.crossdock.core;

/// How rows of a low-latency dispatch travel and arrive; SPEC section 4 has the formats.
///
/// Safe for any thread.
public enum LowLatencyFormat {
  /// BF16 as given.
  BF16,
  /// FP8 E4M3 with a float32 scale of 128 channels each (`useFp8`).
  FP8,
  /// FP8 with scales that are powers of two, as float32 (`roundScale`).
  FP8_POWER_OF_TWO,
  /// FP8 with scales that are powers of two, as packed UE8M0 words (`roundScale`, `useUe8m0`).
  FP8_UE8M0;

  private static final LowLatencyFormat[] VALUES = values();

  /// {@return true if rows are cast to FP8}
  public boolean isFp8() {
    return this != BF16;
  }

  /// {@return the dtype of received rows}
  public DType rowType() {
    return isFp8() ? DType.FP8_E4M3 : DType.BF16;
  }

  /// {@return the format with the given ordinal, as it travels between ranks}
  ///
  /// @param ordinal 0 to 3
  public static LowLatencyFormat of(int ordinal) {
    return VALUES[ordinal];
  }
}
