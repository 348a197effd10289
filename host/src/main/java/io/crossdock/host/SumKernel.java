package io.crossdock.host;

import java.lang.foreign.MemorySegment;

/// Sums BF16 rows in float32 and rounds once.
///
/// Every kernel gives the same bits, infinities, both zeros and denormals included. The one
/// exception is NaN: a NaN among the terms, or infinities of both signs, give a quiet NaN whose
/// sign and payload are the machine's choice. An addition of two NaNs keeps one of them, and which
/// one depends on the order in which the compiler hands them to the instruction.
///
/// Safe for any thread.
interface SumKernel {
  /// Columns summed at a time, so that the float32 block stays in the first-level cache.
  int BLOCK = 1024;

  /// Writes `out[c] = bf16(start + rows[0][c] + rows[1][c] ...)`, plain float32 adds in the order
  /// of the set, where start is +0.0 or the first row.
  ///
  /// @param rows what to add
  /// @param out receives the row
  /// @param outOffset byte offset of the row
  /// @param work hidden size, rows per pass and the float32 block
  void sum(RowSet rows, MemorySegment out, long outOffset, Work work);

  /// Scratch and shape of a sum. Confined to one worker.
  final class Work {
    final int hidden;
    final float[] block = new float[BLOCK];
    int rowsPerPass = 4;

    /// Byte offset of the block within a row.
    long shift;

    /// Columns of the block.
    int length;

    Work(int hidden) {
      this.hidden = hidden;
    }

    void begin(long blockShift, int blockLength) {
      shift = blockShift;
      length = blockLength;
    }
  }

  /// {@return what runs, for `doctor`}
  String describe();

  /// {@return the kernel for this machine: the Vector API when its module is there, else the scalar
  /// twin}
  static SumKernel pick() {
    return VectorApi.isWanted() ? new VectorSumKernel() : new ScalarSumKernel();
  }
}
