package io.crossdock.verify.gpu;

import io.crossdock.core.format.Bf16;
import io.crossdock.core.routing.RankInput;
import io.crossdock.core.routing.Topology;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;

/// What the ranks must receive and get back, without copies of the rows: received rows are read
/// where their source has them, and sums are made token by token. For sizes at which the routing
/// reference would take too long; a test compares the two at small ones.
///
/// Safe for any thread while nobody changes the inputs.
final class StreamedRoutes {
  private final List<RankInput> inputs;
  private final Topology topology;
  private final int topk;

  /// By destination.
  private final int[][] sourceRanks;

  private final int[][] sourceTokens;

  /// By destination, then source: row of each token, or -1.
  private final int[][][] rowOf;

  /// @param inputs by rank, with choices and weights
  /// @param topology one node
  StreamedRoutes(List<RankInput> inputs, Topology topology) {
    this.inputs = inputs;
    this.topology = topology;
    this.topk = inputs.getFirst().topk();
    int numRanks = topology.numRanks();
    this.sourceRanks = new int[numRanks][];
    this.sourceTokens = new int[numRanks][];
    this.rowOf = new int[numRanks][numRanks][];
    for (int rank = 0; rank < numRanks; rank++) {
      route(rank);
    }
  }

  /// Rows arrive ordered by source rank, then by source token.
  private void route(int destination) {
    int most = inputs.stream().mapToInt(RankInput::numTokens).sum();
    int[] ranks = new int[most];
    int[] tokens = new int[most];
    int row = 0;
    for (int source = 0; source < inputs.size(); source++) {
      RankInput input = inputs.get(source);
      int[] rows = new int[input.numTokens()];
      for (int token = 0; token < rows.length; token++) {
        boolean here = input.goesTo(token, destination, topology);
        rows[token] = here ? row : -1;
        if (here) {
          ranks[row] = source;
          tokens[row++] = token;
        }
      }
      rowOf[destination][source] = rows;
    }
    sourceRanks[destination] = Arrays.copyOf(ranks, row);
    sourceTokens[destination] = Arrays.copyOf(tokens, row);
  }

  int numRecvTokens(int rank) {
    return sourceTokens[rank].length;
  }

  int sourceRank(int rank, int row) {
    return sourceRanks[rank][row];
  }

  int sourceToken(int rank, int row) {
    return sourceTokens[rank][row];
  }

  /// {@return a received row, where its source has it}
  MemorySegment row(int rank, int row) {
    RankInput source = inputs.get(sourceRanks[rank][row]);
    return slice(source.rows(), sourceTokens[rank][row], source.rowBytes());
  }

  /// {@return the scales of a received row, where its source has them}
  MemorySegment scales(int rank, int row) {
    RankInput source = inputs.get(sourceRanks[rank][row]);
    return slice(source.scales(), sourceTokens[rank][row], source.scaleBytes());
  }

  private static MemorySegment slice(MemorySegment rows, long row, long bytes) {
    return rows.asSlice(row * bytes, bytes);
  }

  /// {@return local ids [n, K] that a rank receives}
  long[] recvTopkIdx(int rank) {
    long[] ids = new long[numRecvTokens(rank) * topk];
    for (int i = 0; i < ids.length; i++) {
      long expert = choice(rank, i);
      boolean here = expert >= 0 && topology.rankOf(expert) == rank;
      ids[i] = here ? expert % topology.numLocalExperts() : -1;
    }
    return ids;
  }

  /// {@return weights [n, K] that a rank receives}
  float[] recvTopkWeights(int rank) {
    float[] weights = new float[numRecvTokens(rank) * topk];
    for (int i = 0; i < weights.length; i++) {
      long expert = choice(rank, i);
      if (expert >= 0 && topology.rankOf(expert) == rank) {
        weights[i] = inputs.get(sourceRanks[rank][i / topk]).topkWeights()[at(rank, i)];
      }
    }
    return weights;
  }

  private long choice(int rank, int i) {
    return inputs.get(sourceRanks[rank][i / topk]).topkIdx()[at(rank, i)];
  }

  private int at(int rank, int i) {
    return sourceTokens[rank][i / topk] * topk + i % topk;
  }

  /// {@return choices of each local expert}
  int[] tokensPerLocalExpert(int rank) {
    int[] counts = new int[topology.numLocalExperts()];
    for (long id : recvTopkIdx(rank)) {
      if (id >= 0) {
        counts[(int) id]++;
      }
    }
    return counts;
  }

  /// Sums what belongs to a token: plain adds in ascending rank order from +0.0, rounded once.
  ///
  /// @param home rank of the token
  /// @param token its index there
  /// @param outputs BF16 expert outputs [>= n, H] of each rank
  /// @param sum receives BF16 [H]
  void combine(int home, int token, List<short[]> outputs, short[] sum) {
    float[] exact = new float[sum.length];
    for (int rank = 0; rank < rowOf.length; rank++) {
      int row = rowOf[rank][home][token];
      if (row >= 0) {
        add(exact, outputs.get(rank), row * sum.length);
      }
    }
    Bf16.encodeRow(exact, MemorySegment.ofArray(sum));
  }

  private static void add(float[] sum, short[] rows, int from) {
    for (int i = 0; i < sum.length; i++) {
      sum[i] += Bf16.toFloat(rows[from + i]);
    }
  }

  /// Sums the weights that came to each rank for a token, in ascending rank order.
  ///
  /// @param home rank of the token
  /// @param received what [#recvTopkWeights] says of each rank
  /// @return [tokens, K]
  float[] combineWeights(int home, List<float[]> received) {
    float[] sums = new float[inputs.get(home).numTokens() * topk];
    for (int rank = 0; rank < rowOf.length; rank++) {
      int[] rows = rowOf[rank][home];
      for (int i = 0; i < sums.length; i++) {
        int row = rows[i / topk];
        sums[i] += row < 0 ? 0 : received.get(rank)[row * topk + i % topk];
      }
    }
    return sums;
  }
}
