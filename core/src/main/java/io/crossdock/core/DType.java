package io.crossdock.core;

/// Element type of a [Tensor]. All types are little-endian.
///
/// Safe for any thread.
public enum DType {
  /// bfloat16: 1 sign, 8 exponent, 7 mantissa bits.
  BF16(2),
  /// IEEE 754 binary16.
  FP16(2),
  /// IEEE 754 binary32.
  F32(4),
  /// FP8 E4M3FN: 1 sign, 4 exponent, 3 mantissa bits, no infinities.
  FP8_E4M3(1),
  /// Unsigned byte, also used for flags (0 or 1).
  U8(1),
  /// 32-bit signed integer.
  I32(4),
  /// 64-bit signed integer.
  I64(8);

  private final int bytes;

  DType(int bytes) {
    this.bytes = bytes;
  }

  /// {@return the size of one element in bytes}
  public int bytes() {
    return bytes;
  }
}
