package io.crossdock.host;

import io.crossdock.core.format.LogFmt10;
import java.lang.foreign.MemorySegment;

/// Encodes and decodes LogFMT-10 rows, bit for bit as [LogFmt10] does, at offsets of any alignment.
/// Allocates nothing.
///
/// Safe for any thread.
interface LogFmtKernel {
  /// Encodes a row.
  ///
  /// @param y holds the row
  /// @param from byte offset of H BF16
  /// @param page receives the encoded row, at most [LogFmt10#maxRowBytes]
  /// @param to byte offset of it
  /// @param hidden H, a multiple of 8
  /// @return the bytes it takes
  long encodeRow(MemorySegment y, long from, MemorySegment page, long to, int hidden);

  /// Decodes some groups that follow each other in a row.
  ///
  /// @param page holds the encoded row
  /// @param headers byte offset of the first header
  /// @param payload byte offset of the first payload
  /// @param values receives float32, from its first element on
  /// @param count how many, a multiple of 128 unless the row ends there
  /// @return byte offset behind the last payload
  long decode(MemorySegment page, long headers, long payload, float[] values, int count);

  /// Decodes a row.
  ///
  /// @param page holds the encoded row
  /// @param from byte offset of it
  /// @param values receives H float32; its length is H
  /// @return the bytes it took
  default long decodeRow(MemorySegment page, long from, float[] values) {
    long payload = from + LogFmt10.headerBytes(values.length);
    return decode(page, from, payload, values, values.length) - from;
  }

  /// {@return what runs, for `doctor`}
  String describe();

  /// {@return the kernel for this machine: the Vector API where it can hold four codes for each 128
  /// bits, else the scalar twin}
  static LogFmtKernel pick() {
    return VectorApi.isWanted() && VectorLogFmtKernel.isSupported()
        ? new VectorLogFmtKernel()
        : new ScalarLogFmtKernel();
  }
}
