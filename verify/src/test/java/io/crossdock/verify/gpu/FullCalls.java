package io.crossdock.verify.gpu;

import io.crossdock.core.routing.RankInput;
import io.crossdock.core.routing.Topology;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// Calls of a model's size that ranks as threads of one process make and check together. Rows and
/// expert outputs are made once, choices anew for each call; expected bytes are read where other
/// ranks have them.
///
/// Safe for the threads of the ranks, which meet at a barrier between writing and reading.
final class FullCalls {
  /// Calls that are compared in full, however long that takes.
  private static final int MIN_FULL = 40;

  final Size size;
  final Topology topology;
  private final int mostCalls;
  private final Duration budget;
  private final long start = System.nanoTime();
  private final FullRank[] ranks;
  private int done;
  private int inFull;
  private volatile Extent next;

  /// Sizes of a call.
  ///
  /// @param numRanks R
  /// @param tokens of each rank
  /// @param hidden H, a multiple of 128
  /// @param topk K
  /// @param numExperts E
  record Size(int numRanks, int tokens, int hidden, int topk, int numExperts) {
    int mostRows() {
      return numRanks * tokens;
    }
  }

  /// How much of a call is compared; choices, weights, counts and sources always are.
  enum Extent {
    ALL_BYTES,
    QUARTER_OF_ROWS,
    /// No more calls.
    NOTHING
  }

  /// @param size of all calls
  /// @param mostCalls to be made
  /// @param budget when it is spent, no more calls are made; towards the end, less is compared
  FullCalls(Size size, int mostCalls, Duration budget) {
    this.size = size;
    this.topology = Topology.oneNode(size.numRanks, size.numExperts);
    this.mostCalls = mostCalls;
    this.budget = budget;
    this.ranks = new FullRank[size.numRanks];
  }

  void join(FullRank rank, int index) {
    ranks[index] = rank;
  }

  /// {@return all inputs of the running call}
  List<RankInput> inputs() {
    return Arrays.stream(ranks).map(FullRank::reference).toList();
  }

  /// {@return the expert outputs of all ranks}
  List<short[]> outputs() {
    List<short[]> all = new ArrayList<>();
    for (FullRank rank : ranks) {
      all.add(rank.outputs());
    }
    return all;
  }

  /// Decides what is done next; one rank does, before a barrier.
  void decide() {
    long spent = System.nanoTime() - start;
    if (done == mostCalls || (spent > budget.toNanos() && inFull >= MIN_FULL)) {
      next = Extent.NOTHING;
      return;
    }
    boolean hurry = spent > budget.toNanos() / 3 * 2 && inFull >= MIN_FULL;
    next = hurry ? Extent.QUARTER_OF_ROWS : Extent.ALL_BYTES;
    done++;
    inFull += hurry ? 0 : 1;
  }

  Extent next() {
    return next;
  }

  int done() {
    return done;
  }

  /// {@return what was done, for people}
  String summary() {
    return "full-size calls: size=%s, done=%d, allBytes=%d, quarterOfRows=%d, seconds=%d"
        .formatted(
            size,
            done,
            inFull,
            done - inFull,
            Duration.ofNanos(System.nanoTime() - start).toSeconds());
  }
}
