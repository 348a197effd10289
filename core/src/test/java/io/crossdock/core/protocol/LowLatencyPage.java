package io.crossdock.core.protocol;

import java.util.Arrays;

/// The memory of one rank that others see, low-latency mode.
final class LowLatencyPage {
  /// A row is written and read in so many steps.
  static final int WORDS = 2;

  private static final int SETS = LowLatencyState.SLOT_SETS;

  private final int numRanks;

  /// By set, kind and source: slots of rows.
  final long[][] lanes;

  /// Flag lines, by set and source.
  final long[] flags;

  final LowLatencyTerms[] terms;
  final int[] counts;

  /// Completed marks that came with flags.
  final long[] marks;

  /// What the oracle reads along with a flag: call and epoch of the writer.
  final int[] flagCalls;

  final long[] flagEpochs;

  long completed;
  final long[] refusals = new long[SETS];
  final boolean[] masks;
  long knock;
  long knockGeneration;
  final long[] ackKnocks;
  final long[] ackGenerations;

  LowLatencyPage(int numRanks, int numSlots) {
    this.numRanks = numRanks;
    lanes = new long[SETS * 2 * numRanks][numSlots * WORDS];
    flags = new long[SETS * numRanks];
    terms = new LowLatencyTerms[SETS * numRanks];
    Arrays.setAll(terms, line -> new LowLatencyTerms());
    counts = new int[SETS * numRanks];
    marks = new long[SETS * numRanks];
    flagCalls = new int[SETS * numRanks];
    flagEpochs = new long[SETS * numRanks];
    masks = new boolean[numRanks];
    ackKnocks = new long[numRanks];
    ackGenerations = new long[numRanks];
  }

  int line(long epoch, int source) {
    return LowLatencyState.set(epoch) * numRanks + source;
  }

  long[] lane(long epoch, LowLatencyKind kind, int source) {
    int side = kind == LowLatencyKind.COMBINE ? 1 : 0;
    return lanes[(LowLatencyState.set(epoch) * 2 + side) * numRanks + source];
  }
}
