package io.crossdock.core.protocol;

import java.util.Arrays;

/// What a handle knows of the way between nodes. Two halves:
///
/// - **Streams**: the tokens of this rank that have an expert on another node, in ascending order.
///   Each crosses the network once, to the rank of that node on this rank's rail; its index in the
///   stream names it there, and its partial sum on the way back.
/// - **Relays**: for the streams of this rank's rail that end here, the position of each row among
///   those that its source sends to each rank of this node, or -1.
///
/// Arrays only grow.
///
/// Confined to the thread that runs the call; read by its workers.
public final class NodeRoutes {
  /// A token that does not go to a node, or a row that does not go to a rank.
  public static final int NONE = -1;

  private final NodePlace place;
  private final int[][] tokens;
  private final int[][] indices;
  private final int[] counts;
  private final int[][] positions;
  private final int[] relayRows;

  /// Makes empty routes.
  ///
  /// @param place this rank's
  public NodeRoutes(NodePlace place) {
    this.place = place;
    int numNodes = place.numNodes();
    tokens = new int[numNodes][0];
    indices = new int[numNodes][0];
    positions = new int[numNodes][0];
    counts = new int[numNodes];
    relayRows = new int[numNodes];
  }

  /// Lays out the streams of a plan and forgets all relays.
  ///
  /// @param plan of a dispatch that all ranks entered
  public void start(SendPlan plan) {
    Arrays.fill(counts, 0);
    Arrays.fill(relayRows, 0);
    int numTokens = plan.numTokens();
    for (int node = 0; node < counts.length; node++) {
      if (tokens[node].length < numTokens) {
        tokens[node] = new int[numTokens];
        indices[node] = new int[numTokens];
      }
      Arrays.fill(indices[node], 0, numTokens, NONE);
    }
    for (int token = 0; token < numTokens; token++) {
      for (int entry = plan.begin(token); entry < plan.end(token); entry++) {
        add(token, place.nodeOf(plan.rank(entry)));
      }
    }
  }

  private void add(int token, int node) {
    if (indices[node][token] == NONE) {
      indices[node][token] = counts[node];
      tokens[node][counts[node]++] = token;
    }
  }

  /// {@return rows of a stream, or tokens of this rank that have an expert on this node}
  ///
  /// @param node where it ends
  public int numRows(int node) {
    return counts[node];
  }

  /// {@return rows that leave this node}
  public int numRemoteRows() {
    int rows = 0;
    for (int node = 0; node < counts.length; node++) {
      rows += node == place.node() ? 0 : counts[node];
    }
    return rows;
  }

  /// {@return the token of a row of a stream}
  ///
  /// @param node where the stream ends
  /// @param index below [#numRows]
  public int token(int node, int index) {
    return tokens[node][index];
  }

  /// {@return the index of a token in a stream, or [#NONE]}
  ///
  /// @param node where the stream ends
  /// @param token a token of this rank
  public int index(int node, int token) {
    return indices[node][token];
  }

  /// Makes room for rows of a stream that ends here, before [#putRelay]. Their positions are
  /// unknown, and rows below keep theirs.
  ///
  /// @param node where the stream begins
  /// @param numRows rows known of by now
  public void growRelay(int node, int numRows) {
    int size = Math.multiplyExact(numRows, place.numLocalRanks());
    if (positions[node].length < size) {
      positions[node] = Arrays.copyOf(positions[node], Math.max(size, 2 * positions[node].length));
    }
    relayRows[node] = Math.max(relayRows[node], numRows);
  }

  /// Takes in where a row of a stream goes.
  ///
  /// @param node where the stream begins
  /// @param index of the row, below the room made
  /// @param localRank of a rank of this node
  /// @param position among the rows that the source sends to that rank, or [#NONE]
  public void putRelay(int node, int index, int localRank, int position) {
    positions[node][index * place.numLocalRanks() + localRank] = position;
  }

  /// {@return rows of a stream that ends here}
  ///
  /// @param node where it begins
  public int numRelayRows(int node) {
    return relayRows[node];
  }

  /// {@return position of a row among those that its source sends to a rank of this node, or
  /// [#NONE]}
  ///
  /// @param node where the stream begins
  /// @param index of the row
  /// @param localRank of a rank of this node
  public int relayPosition(int node, int index, int localRank) {
    return positions[node][index * place.numLocalRanks() + localRank];
  }
}
