package io.crossdock.core.protocol;

import java.util.Arrays;

/// Everything combine and cached dispatch need of an earlier dispatch. Plain data, reused. An
/// engine that keeps some of it on a device has a subclass that brings it to the host when it is
/// read.
///
/// Confined to the thread that runs the call until complete; then safe for any thread to read.
public class HandleData {
  /// This rank.
  public final int rank;

  /// R.
  public final int numRanks;

  /// Where this rank's tokens go.
  public SendPlan plan = new SendPlan();

  /// The epoch of the dispatch: equal on all ranks, so it names the handle across the group.
  public long epoch;

  /// K of the dispatch, 0 without top-k.
  public int topk;

  /// E of the dispatch.
  public int numExperts;

  /// Output rows when the dispatch had `numWorstTokens`, else 0.
  public long worstRows;

  /// Source token index of each received row; the first [#numRecvRows()] entries count.
  public int[] sourceTokenIdx = new int[0];

  /// Rows of each local expert, rounded up to the alignment; empty when unknown to the host.
  public int[] tokensPerLocalExpert = new int[0];

  /// The way between nodes; null on one node.
  public final NodeRoutes nodes;

  private final long[] prefix;

  /// Creates an empty handle of a rank on a single node.
  ///
  /// @param rank this rank
  /// @param numRanks R
  public HandleData(int rank, int numRanks) {
    this(NodePlace.onOneNode(rank, numRanks));
  }

  /// Creates an empty handle.
  ///
  /// @param place where this rank stands among nodes
  public HandleData(NodePlace place) {
    this.rank = place.rank();
    this.numRanks = place.numRanks();
    this.nodes = place.numNodes() == 1 ? null : new NodeRoutes(place);
    this.prefix = new long[numRanks * numRanks];
  }

  /// {@return tokens this rank sent; known on the host from the moment the dispatch is made}
  public int numTokens() {
    return plan.numTokens();
  }

  /// Called before the epoch or the counts are read for the user. An engine brings them to the host
  /// here if they are not there; on the host they are.
  public void materialise() {
    // Everything is here.
  }

  /// {@return the source token index of a received row; an engine that keeps them on a device
  /// brings them to the host at the first reading}
  ///
  /// @param row below [#numRecvRows()]
  public int sourceTokenIdx(int row) {
    return sourceTokenIdx[row];
  }

  /// Takes over the plan of a dispatch that all ranks entered; until then the handle keeps the one
  /// of the dispatch before.
  ///
  /// @param entered the new plan
  /// @return the plan before, to be filled again
  public final SendPlan exchangePlan(SendPlan entered) {
    SendPlan before = plan;
    plan = entered;
    return before;
  }

  /// Sets one row of the count matrix; call for sources in ascending order.
  ///
  /// @param source source rank
  /// @param counts rows the source sends to each rank
  public final void setCounts(int source, long[] counts) {
    for (int dst = 0; dst < numRanks; dst++) {
      long before = source == 0 ? 0 : prefix[(source - 1) * numRanks + dst];
      prefix[source * numRanks + dst] = Math.addExact(before, counts[dst]);
    }
  }

  /// {@return rows that ranks up to and including `source` send to `destination`}
  ///
  /// @param source source rank
  /// @param destination destination rank
  public final long prefix(int source, int destination) {
    return prefix[source * numRanks + destination];
  }

  /// {@return index of the first row from `source` at `destination`}
  ///
  /// @param source source rank
  /// @param destination destination rank
  public final long base(int source, int destination) {
    return source == 0 ? 0 : prefix(source - 1, destination);
  }

  /// {@return all rows that arrive at a rank}
  ///
  /// @param destination destination rank
  public final long totalRows(int destination) {
    return prefix(numRanks - 1, destination);
  }

  /// {@return rows that arrive here}
  public final long numRecvRows() {
    return totalRows(rank);
  }

  /// Makes room for the source indices of all received rows.
  public final void ensureSourceIndices() {
    int rows = Math.toIntExact(numRecvRows());
    if (sourceTokenIdx.length < rows) {
      sourceTokenIdx = new int[Math.max(rows, sourceTokenIdx.length * 2)];
    }
  }

  /// Makes room for the counts of local experts.
  ///
  /// @param experts experts of this rank; 0 when unknown
  public final void ensureExperts(int experts) {
    if (tokensPerLocalExpert.length != experts) {
      tokensPerLocalExpert = new int[experts];
    }
    Arrays.fill(tokensPerLocalExpert, 0);
  }
}
