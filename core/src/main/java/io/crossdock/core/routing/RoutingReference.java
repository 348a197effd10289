package io.crossdock.core.routing;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/// The oracle: layout, dispatch and combine as the contract words them, one token at a time, with
/// nothing clever. Sizes are those of tests.
///
/// Safe for any thread.
public final class RoutingReference {
  private RoutingReference() {}

  /// Counts where the tokens of one rank go.
  ///
  /// @param input with choices
  /// @param topology ranks and experts
  /// @return the layout
  public static ReferenceLayout layout(RankInput input, Topology topology) {
    int numRanks = topology.numRanks();
    int[] perRank = new int[numRanks];
    int[] perNode = new int[topology.numNodes()];
    int[] perExpert = new int[topology.numExperts()];
    boolean[] inRank = new boolean[input.numTokens() * numRanks];
    for (int token = 0; token < input.numTokens(); token++) {
      boolean[] inNode = new boolean[topology.numNodes()];
      for (int k = 0; k < input.topk(); k++) {
        int expert = (int) input.topkIdx()[token * input.topk() + k];
        if (expert >= 0) {
          perExpert[expert]++;
          inRank[token * numRanks + topology.rankOf(expert)] = true;
          inNode[topology.nodeOf(topology.rankOf(expert))] = true;
        }
      }
      for (int rank = 0; rank < numRanks; rank++) {
        perRank[rank] += inRank[token * numRanks + rank] ? 1 : 0;
      }
      for (int node = 0; node < inNode.length; node++) {
        perNode[node] += inNode[node] ? 1 : 0;
      }
    }
    return new ReferenceLayout(perRank, perNode, perExpert, inRank);
  }

  /// Dispatches the rows of all ranks.
  ///
  /// @param inputs by rank
  /// @param spec options
  /// @return what each rank receives: rows ordered by source rank, then by source token index
  public static List<ReferenceDispatch> dispatch(List<RankInput> inputs, DispatchSpec spec) {
    List<ReferenceDispatch> received = new ArrayList<>();
    for (int rank = 0; rank < inputs.size(); rank++) {
      received.add(new DispatchWalk(inputs, spec, rank).receive());
    }
    return received;
  }

  /// Combines expert outputs for the tokens of one rank.
  ///
  /// Per token: the float32 sum of its rows, by plain adds in ascending rank order, from +0.0 or
  /// the biases (the first one, then the second is added), rounded once to BF16.
  ///
  /// Over several nodes, for each node with a row of the token, the home's own too, the node's rows
  /// are summed in the same way from +0.0, and that partial sum is rounded once to BF16. Then the
  /// partial sums are added in node order, from +0.0 or the biases, and the total is rounded once.
  /// A node without a row contributes nothing.
  ///
  /// Weights are float32 sums from +0.0 in ascending rank order; over several nodes the sums of the
  /// nodes, added from +0.0 in node order. Nothing is rounded on the way.
  ///
  /// @param home whose tokens
  /// @param numTokens how many
  /// @param inputs of all ranks
  /// @param biases none, one or two BF16 [tokens, H]
  /// @param topology ranks and experts
  /// @return the sums
  public static ReferenceCombine combine(
      int home,
      int numTokens,
      CombineInputs inputs,
      List<MemorySegment> biases,
      Topology topology) {
    return new CombineWalk(home, inputs, topology).combine(numTokens, biases);
  }

  /// Dispatches in low-latency mode.
  ///
  /// @param inputs by rank, BF16 rows with choices; those of masked ranks are not read
  /// @param spec shapes, format and masks
  /// @param rank the receiver, not masked
  /// @return what it receives
  public static ReferenceLowLatencyDispatch lowLatencyDispatch(
      List<RankInput> inputs, LowLatencySpec spec, int rank) {
    return new LowLatencyDispatchWalk(inputs, spec, rank).receive();
  }

  /// Combines in low-latency mode.
  ///
  /// Per token: for k ascending acc = fma(weight_k, row_k, acc) in float32 from +0.0, rounded once
  /// to BF16. Choices of -1 and those of experts on masked ranks contribute nothing and are not
  /// asked for.
  ///
  /// @param home whose tokens
  /// @param input their choices and weights; a row has as many bytes as in the dispatch
  /// @param outputs what experts answer
  /// @param spec where experts live and who is masked
  /// @return the sums, without weights
  public static ReferenceCombine lowLatencyCombine(
      int home, RankInput input, ExpertRows outputs, LowLatencySpec spec) {
    return new LowLatencyCombineWalk(home, input, spec).combine(outputs);
  }
}
