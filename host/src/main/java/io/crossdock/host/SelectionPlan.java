package io.crossdock.host;

import io.crossdock.core.Tensor;

/// Where each selection of a low-latency dispatch goes: the selections for one rank, sorted by
/// expert, then by token, take the slots of this rank's lane there in turn. Arrays only grow.
///
/// Confined to the thread that runs the call; read by its workers.
final class SelectionPlan {
  private final int numRanks;
  private final RoutePlanner planner;
  private int[] slots = new int[0];
  private int[] choices = new int[0];
  private int[] nextSlot = new int[0];
  private int[] counts = new int[0];
  private int numTokens;
  private int topk;
  private int localExperts;
  private int numSelections;

  SelectionPlan(int numRanks) {
    this.numRanks = numRanks;
    this.planner = new RoutePlanner(numRanks);
  }

  /// @throws io.crossdock.core.InvalidInputException on an id out of range or an expert repeated in
  ///   a token
  void plan(Tensor topkIdx, int numExperts) {
    planner.read(topkIdx, numExperts);
    numTokens = Math.toIntExact(topkIdx.size(0));
    topk = planner.topk();
    localExperts = numExperts / numRanks;
    int size = numTokens * topk;
    if (slots.length < size) {
      slots = new int[size];
      choices = new int[size];
    }
    if (counts.length < numExperts) {
      counts = new int[numExperts];
      nextSlot = new int[numExperts];
    }
    System.arraycopy(planner.choices(), 0, choices, 0, size);
    System.arraycopy(planner.expertCounts(), 0, counts, 0, numExperts);
    begin(numExperts);
    for (int i = 0; i < size; i++) {
      int expert = choices[i];
      slots[i] = expert < 0 ? -1 : nextSlot[expert]++;
    }
  }

  private void begin(int numExperts) {
    numSelections = 0;
    for (int expert = 0; expert < numExperts; expert++) {
      int first = expert % localExperts == 0 ? 0 : nextSlot[expert - 1] + counts[expert - 1];
      nextSlot[expert] = first;
      numSelections += counts[expert];
    }
  }

  int numTokens() {
    return numTokens;
  }

  int topk() {
    return topk;
  }

  /// All selections.
  int numSelections() {
    return numSelections;
  }

  /// Selections of experts of a rank.
  long numTo(int rank) {
    long number = 0;
    for (int expert = rank * localExperts; expert < (rank + 1) * localExperts; expert++) {
      number += counts[expert];
    }
    return number;
  }

  /// The expert of choice k of a token, or -1.
  int expert(int token, int k) {
    return choices[token * topk + k];
  }

  /// The rank of an expert.
  int owner(int expert) {
    return expert / localExperts;
  }

  /// The slot of choice k of a token in this rank's lane at the expert's rank.
  int slot(int token, int k) {
    return slots[token * topk + k];
  }

  /// Rows that go to each expert; the first E entries count.
  int[] counts() {
    return counts;
  }

  /// The slot of an expert that a token was dispatched to; the choice is looked for at k first.
  ///
  /// @return the slot, or -1 if the token was not dispatched there
  int slotOf(int token, int k, int expert) {
    int at = token * topk;
    if (k < topk && choices[at + k] == expert) {
      return slots[at + k];
    }
    for (int other = 0; other < topk; other++) {
      if (choices[at + other] == expert) {
        return slots[at + other];
      }
    }
    return -1;
  }
}
