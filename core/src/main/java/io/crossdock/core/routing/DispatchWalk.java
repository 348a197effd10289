package io.crossdock.core.routing;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;

/// Collects what one rank receives.
///
/// Confined to one thread.
final class DispatchWalk {
  private final List<RankInput> inputs;
  private final DispatchSpec spec;
  private final Topology topology;
  private final int rank;
  private final RankInput shape;
  private final int[] expertCounts;

  DispatchWalk(List<RankInput> inputs, DispatchSpec spec, int rank) {
    this.inputs = inputs;
    this.spec = spec;
    this.topology = spec.topology();
    this.rank = rank;
    this.shape = inputs.getFirst();
    this.expertCounts = new int[topology.numLocalExperts()];
  }

  ReferenceDispatch receive() {
    int arriving = countRows();
    int rows = spec.numWorstTokens() > 0 ? spec.numWorstTokens() : arriving;
    boolean hasChoices = shape.topkIdx() != null;
    long[] ids = new long[hasChoices ? rows * shape.topk() : 0];
    Arrays.fill(ids, -1);
    ReferenceDispatch out =
        new ReferenceDispatch(
            arriving,
            bytes(rows * shape.rowBytes()),
            bytes(rows * shape.scaleBytes()),
            ids,
            new float[shape.topkWeights() != null ? rows * shape.topk() : 0],
            new int[arriving],
            new int[arriving],
            spec.numWorstTokens() > 0 ? new int[0] : expertCounts);
    copyRows(out);
    roundCounts();
    return out;
  }

  private static MemorySegment bytes(long size) {
    return MemorySegment.ofArray(new byte[Math.toIntExact(size)]);
  }

  private int countRows() {
    int rows = 0;
    for (RankInput input : inputs) {
      for (int token = 0; token < input.numTokens(); token++) {
        rows += input.goesTo(token, rank, topology) ? 1 : 0;
      }
    }
    return rows;
  }

  private void copyRows(ReferenceDispatch out) {
    int row = 0;
    for (int source = 0; source < inputs.size(); source++) {
      RankInput input = inputs.get(source);
      for (int token = 0; token < input.numTokens(); token++) {
        if (input.goesTo(token, rank, topology)) {
          out.sourceRank()[row] = source;
          out.sourceTokenIdx()[row] = token;
          copyRow(input, token, out, row++);
        }
      }
    }
  }

  private void copyRow(RankInput input, int token, ReferenceDispatch out, int row) {
    long rowBytes = input.rowBytes();
    MemorySegment.copy(input.rows(), token * rowBytes, out.recvRows(), row * rowBytes, rowBytes);
    long bytes = input.scaleBytes();
    if (bytes > 0) {
      MemorySegment.copy(input.scales(), token * bytes, out.recvScales(), row * bytes, bytes);
    }
    if (input.topkIdx() == null) {
      return;
    }
    int topk = input.topk();
    for (int k = 0; k < topk; k++) {
      long expert = input.topkIdx()[token * topk + k];
      if (expert >= 0 && topology.rankOf(expert) == rank) {
        int local = (int) (expert % topology.numLocalExperts());
        expertCounts[local]++;
        out.recvTopkIdx()[row * topk + k] = local;
        if (input.topkWeights() != null) {
          out.recvTopkWeights()[row * topk + k] = input.topkWeights()[token * topk + k];
        }
      }
    }
  }

  private void roundCounts() {
    int alignment = spec.expertAlignment();
    for (int expert = 0; expert < expertCounts.length; expert++) {
      expertCounts[expert] = (expertCounts[expert] + alignment - 1) / alignment * alignment;
    }
  }
}
