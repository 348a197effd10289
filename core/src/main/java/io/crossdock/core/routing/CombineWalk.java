package io.crossdock.core.routing;

import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import io.crossdock.core.format.Bf16;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// Sums what belongs to the tokens of one rank.
///
/// Confined to one thread.
final class CombineWalk {
  private final CombineInputs inputs;
  private final Topology topology;
  private final int hidden;

  /// By rank: source token of home to its row there.
  private final Map<Integer, Map<Integer, Integer>> rowOf = new HashMap<>();

  CombineWalk(int home, CombineInputs inputs, Topology topology) {
    this.inputs = inputs;
    this.topology = topology;
    this.hidden = inputs.hidden();
    for (int rank = 0; rank < topology.numRanks(); rank++) {
      ReferenceDispatch there = inputs.dispatches().get(rank);
      Map<Integer, Integer> rows = new HashMap<>();
      for (int row = 0; row < there.numRecvTokens(); row++) {
        if (there.sourceRank()[row] == home) {
          rows.put(there.sourceTokenIdx()[row], row);
        }
      }
      rowOf.put(rank, rows);
    }
  }

  ReferenceCombine combine(int numTokens, List<MemorySegment> biases) {
    MemorySegment out = MemorySegment.ofArray(new byte[numTokens * hidden * 2]);
    for (int token = 0; token < numTokens; token++) {
      float[] sum = topology.numNodes() == 1 ? onOneNode(token, biases) : overNodes(token, biases);
      Bf16.encodeRow(sum, out.asSlice((long) token * hidden * 2));
    }
    return new ReferenceCombine(out, sumWeights(numTokens));
  }

  private float[] onOneNode(int token, List<MemorySegment> biases) {
    float[] sum = start(token, biases);
    addRanks(sum, token, 0, topology.numRanks());
    return sum;
  }

  private float[] overNodes(int token, List<MemorySegment> biases) {
    float[] sum = start(token, biases);
    int local = topology.numLocalRanks();
    for (int node = 0; node < topology.numNodes(); node++) {
      float[] partial = new float[hidden];
      if (addRanks(partial, token, node * local, (node + 1) * local)) {
        for (int i = 0; i < hidden; i++) {
          sum[i] += Bf16.toFloat(Bf16.fromFloat(partial[i]));
        }
      }
    }
    return sum;
  }

  private float[] start(int token, List<MemorySegment> biases) {
    float[] sum = new float[hidden];
    if (!biases.isEmpty()) {
      Bf16.decodeRow(row(biases.getFirst(), token), sum);
    }
    for (int i = 1; i < biases.size(); i++) {
      add(sum, row(biases.get(i), token));
    }
    return sum;
  }

  private boolean addRanks(float[] sum, int token, int from, int to) {
    boolean any = false;
    for (int rank = from; rank < to; rank++) {
      Integer row = rowOf.get(rank).get(token);
      if (row != null) {
        add(sum, row(inputs.outputs().get(rank), row));
        any = true;
      }
    }
    return any;
  }

  private MemorySegment row(MemorySegment rows, int index) {
    return rows.asSlice((long) index * hidden * 2, hidden * 2L);
  }

  private static void add(float[] sum, MemorySegment row) {
    short[] values = row.toArray(JAVA_SHORT_UNALIGNED);
    for (int i = 0; i < sum.length; i++) {
      sum[i] += Bf16.toFloat(values[i]);
    }
  }

  /// As the rows: over several nodes each node's ranks are added first, then the nodes.
  private float[] sumWeights(int numTokens) {
    if (inputs.weights().isEmpty()) {
      return new float[0];
    }
    int topk = inputs.topk();
    int local = topology.numLocalRanks();
    float[] sums = new float[numTokens * topk];
    for (int node = 0; node < topology.numNodes(); node++) {
      float[] partial = new float[sums.length];
      for (int rank = node * local; rank < (node + 1) * local; rank++) {
        addWeights(partial, rank);
      }
      for (int i = 0; i < sums.length; i++) {
        sums[i] += partial[i];
      }
    }
    return sums;
  }

  private void addWeights(float[] sums, int rank) {
    int topk = inputs.topk();
    float[] weights = inputs.weights().get(rank);
    for (Map.Entry<Integer, Integer> entry : rowOf.get(rank).entrySet()) {
      for (int k = 0; k < topk; k++) {
        sums[entry.getKey() * topk + k] += weights[entry.getValue() * topk + k];
      }
    }
  }
}
