package io.crossdock.core.protocol;

import java.util.Arrays;

/// What a rank publishes when it enters an epoch: `entered(epoch, window, capacity)`, for a fresh
/// dispatch together with its row of the count matrix.
///
/// Mutable and reused, so that a call allocates nothing. Engines copy the fields to and from shared
/// memory.
///
/// Confined to the thread that runs the call.
public final class Entry {
  /// Longest refusal reason that travels, in UTF-8 bytes.
  public static final int MAX_REASON_BYTES = 512;

  /// What was entered.
  public CallKind kind = CallKind.REFUSED;

  /// The window that peers write to (dispatch) or read from (combine).
  public int window;

  /// Rows the window takes.
  public long capacityRows;

  /// Most rows the rank's outputs take in total; [Long#MAX_VALUE] when they are sized to fit.
  public long outputRows;

  /// Bytes of one row.
  public long rowBytes;

  /// Bytes of one row's scales, 0 without scales.
  public long scaleBytes;

  /// K, 0 without top-k.
  public int topk;

  /// Bytes of one top-k index, 4 or 8; 0 without top-k.
  public int indexBytes;

  /// E.
  public int numExperts;

  /// 1 if weights travel.
  public int weights;

  /// Ordinal of the row dtype.
  public int dtype;

  /// The epoch whose handle a cached dispatch or a combine goes along; 0 for a fresh dispatch.
  public long handleEpoch;

  /// Which round this is, 0 first.
  public int round;

  /// 1 if the rank can be served in rounds: it copies its rows out of the window.
  public int canRound;

  /// Rows of a piece that crosses the network at a time; the sender's choice.
  public int networkChunkRows;

  /// Why the call was refused; empty otherwise.
  public String reason = "";

  /// Rows sent to each rank; valid for a dispatch.
  public final long[] rankCounts;

  /// Choices of each expert; valid for a fresh dispatch. The first [#numExperts] entries count.
  public final int[] expertCounts;

  /// Creates an entry for a group.
  ///
  /// @param numRanks R
  /// @param maxExperts most experts a call may name
  public Entry(int numRanks, int maxExperts) {
    rankCounts = new long[numRanks];
    expertCounts = new int[maxExperts];
  }

  /// Makes this a refusal.
  ///
  /// @param why the refusing rank's error message
  public void refuse(String why) {
    kind = CallKind.REFUSED;
    reason = why;
    Arrays.fill(rankCounts, 0);
  }

  /// Compares what all ranks must agree on.
  ///
  /// @param other a peer's entry of the same epoch
  /// @return null if they agree, else the facts that differ
  public String mismatch(Entry other) {
    if (kind != other.kind) {
      return "kind=" + kind + " against " + other.kind;
    }
    return firstDifference(
        new String[] {
          "rowBytes",
          "scaleBytes",
          "topk",
          "indexBytes",
          "numExperts",
          "weights",
          "dtype",
          "handleEpoch",
          "round"
        },
        terms(),
        other.terms());
  }

  /// {@return true if the peers' terms are the same; allocates nothing}
  ///
  /// @param other a peer's entry of the same epoch
  public boolean agrees(Entry other) {
    return kind == other.kind
        && rowBytes == other.rowBytes
        && scaleBytes == other.scaleBytes
        && topk == other.topk
        && indexBytes == other.indexBytes
        && numExperts == other.numExperts
        && weights == other.weights
        && dtype == other.dtype
        && handleEpoch == other.handleEpoch
        && round == other.round;
  }

  private long[] terms() {
    return new long[] {
      rowBytes, scaleBytes, topk, indexBytes, numExperts, weights, dtype, handleEpoch, round
    };
  }

  private static String firstDifference(String[] names, long[] mine, long[] theirs) {
    for (int i = 0; i < names.length; i++) {
      if (mine[i] != theirs[i]) {
        return names[i] + "=" + mine[i] + " against " + theirs[i];
      }
    }
    return null;
  }
}
