package io.crossdock.core.routing;

import java.lang.foreign.MemorySegment;
import java.util.List;

/// What one rank must receive in low-latency mode: the rows of each local expert that mean
/// something, without those behind them that the tensors of a buffer have room for.
///
/// Rows of an expert are ordered by source rank, then by source token index. Scales are row-major,
/// whatever their layout in a buffer.
///
/// Safe for any thread while nobody changes the arrays.
///
/// @param recvCount rows of each local expert, `[E/R]`
/// @param recvRows by local expert: [recvCount, rowBytes], BF16 or FP8
/// @param recvScales by local expert: [recvCount, H/128] float32 or [recvCount, ceil(H/512)] packed
///   UE8M0; empty with BF16
/// @param srcInfo by local expert: source token index of each row
/// @param layoutBegin [E/R, R], where the rows of a source begin
/// @param layoutCount [E/R, R], how many there are
public record ReferenceLowLatencyDispatch(
    int[] recvCount,
    List<MemorySegment> recvRows,
    List<MemorySegment> recvScales,
    List<int[]> srcInfo,
    int[] layoutBegin,
    int[] layoutCount) {

  /// Copies the lists.
  public ReferenceLowLatencyDispatch {
    recvRows = List.copyOf(recvRows);
    recvScales = List.copyOf(recvScales);
    srcInfo = List.copyOf(srcInfo);
  }

  /// {@return the row of a selection among those of its expert, or -1}
  ///
  /// @param localExpert index of the expert on this rank
  /// @param source home of the token
  /// @param token index at home
  public int rowOf(int localExpert, int source, int token) {
    int numRanks = layoutBegin.length / recvCount.length;
    int cell = localExpert * numRanks + source;
    int end = layoutBegin[cell] + layoutCount[cell];
    for (int row = layoutBegin[cell]; row < end; row++) {
      if (srcInfo.get(localExpert)[row] == token) {
        return row;
      }
    }
    return -1;
  }
}
