package io.crossdock.host;

import io.crossdock.core.format.LogFmt10;
import java.lang.foreign.MemorySegment;

/// Sums rows with weights: `out[c] = bf16(sum)`, where for each row in order `sum = fma(weight,
/// row[c], sum)` in float32, from +0.0, rounded once at the end.
///
/// Every kernel gives the same bits, but for the sign and payload of a NaN, which are the machine's
/// choice; a NaN is always quiet.
///
/// Safe for any thread.
interface WeightedSumKernel {
  /// Columns summed at a time: as many as stay in the first-level cache as float32, since rows that
  /// another core wrote come slowly at the begin of each block. A whole number of groups of an
  /// encoded row.
  int BLOCK = 4096;

  /// Sums BF16 rows.
  ///
  /// @param rows what to add
  /// @param out receives H BF16
  /// @param to byte offset of the row
  void sum(Rows rows, MemorySegment out, long to);

  /// Sums LogFMT-10 rows. Decoded values are not rounded before they are added.
  ///
  /// @param rows what to add
  /// @param decoder reads them
  /// @param out receives H BF16
  /// @param to byte offset of the row
  void sumEncoded(Rows rows, LogFmtKernel decoder, MemorySegment out, long to);

  /// {@return what runs, for `doctor`}
  String describe();

  /// {@return the kernel for this machine: the Vector API when its module is there, else the scalar
  /// twin}
  static WeightedSumKernel pick() {
    return VectorApi.isWanted() ? new VectorWeightedSumKernel() : new ScalarWeightedSumKernel();
  }

  /// The rows that make up one sum, in the order they are added, and the scratch of the sum.
  /// Reused.
  ///
  /// Confined to one worker.
  final class Rows {
    final MemorySegment[] segments;
    final long[] offsets;
    final float[] weights;
    final int hidden;
    final float[] block = new float[BLOCK];

    /// Decoded columns of one row.
    final float[] values = new float[BLOCK];

    /// Where the next payload of each encoded row begins.
    final long[] payloads;

    int count;

    Rows(int maxRows, int hidden) {
      segments = new MemorySegment[maxRows];
      offsets = new long[maxRows];
      weights = new float[maxRows];
      payloads = new long[maxRows];
      this.hidden = hidden;
    }

    void clear() {
      count = 0;
    }

    void add(MemorySegment segment, long offset, float weight) {
      segments[count] = segment;
      offsets[count] = offset;
      weights[count++] = weight;
    }

    /// Places every encoded row before its first payload.
    void rewind() {
      for (int row = 0; row < count; row++) {
        payloads[row] = offsets[row] + LogFmt10.headerBytes(hidden);
      }
    }

    /// Decodes the next columns of an encoded row into the values.
    void decode(LogFmtKernel decoder, int row, int column, int length) {
      long headers = offsets[row] + column / LogFmt10.CHANNELS * LogFmt10.HEADER_BYTES;
      payloads[row] = decoder.decode(segments[row], headers, payloads[row], values, length);
    }
  }
}
