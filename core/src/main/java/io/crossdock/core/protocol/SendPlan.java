package io.crossdock.core.protocol;

import java.util.Arrays;

/// Which ranks each token of one source goes to, in ascending rank order, and its position among
/// the rows that the source sends to that rank.
///
/// Stored as compressed rows: the destinations of token t are the entries from `begin(t)` to
/// `end(t)`. The final row index at a destination is its base (rows of lower sources) plus the
/// position. Arrays only grow, so a plan that is filled again allocates nothing.
///
/// Confined to the thread that runs the call; read by its workers.
public final class SendPlan {
  private int numTokens;
  private int[] offsets = new int[1];
  private int[] ranks = new int[0];
  private int[] positions = new int[0];
  private long[] counts = new long[0];

  /// Makes an empty plan.
  public SendPlan() {}

  /// Starts a plan of the given size.
  ///
  /// @param tokens tokens to come
  /// @param maxPerToken most destinations of a token
  /// @param numRanks R
  public void start(int tokens, int maxPerToken, int numRanks) {
    int entries = Math.multiplyExact(tokens, maxPerToken);
    if (offsets.length < tokens + 1) {
      offsets = new int[tokens + 1];
    }
    if (ranks.length < entries) {
      ranks = new int[entries];
      positions = new int[entries];
    }
    if (counts.length != numRanks) {
      counts = new long[numRanks];
    }
    Arrays.fill(counts, 0);
    offsets[0] = 0;
    numTokens = 0;
  }

  /// Begins the next token. Its destinations follow with [#add].
  public void beginToken() {
    offsets[numTokens + 1] = offsets[numTokens];
    numTokens++;
  }

  /// Adds a destination to the current token; ranks ascend within a token.
  ///
  /// @param rank destination
  public void add(int rank) {
    int entry = offsets[numTokens]++;
    ranks[entry] = rank;
    positions[entry] = Math.toIntExact(counts[rank]++);
  }

  /// {@return tokens planned}
  public int numTokens() {
    return numTokens;
  }

  /// {@return all (token, rank) pairs}
  public int numEntries() {
    return offsets[numTokens];
  }

  /// {@return first entry of a token}
  ///
  /// @param token index
  public int begin(int token) {
    return offsets[token];
  }

  /// {@return the entry behind the last one of a token}
  ///
  /// @param token index
  public int end(int token) {
    return offsets[token + 1];
  }

  /// {@return destination rank}
  ///
  /// @param entry from [#begin] to [#end]
  public int rank(int entry) {
    return ranks[entry];
  }

  /// {@return position among the rows this source sends to that rank}
  ///
  /// @param entry from [#begin] to [#end]
  public int position(int entry) {
    return positions[entry];
  }

  /// {@return rows this source sends to a rank}
  ///
  /// @param rank destination
  public long count(int rank) {
    return counts[rank];
  }

  /// {@return R}
  public int numRanks() {
    return counts.length;
  }
}
