package io.crossdock.host;

import io.crossdock.core.protocol.LowLatencyHandleData;
import java.util.Arrays;

/// What the host engine remembers of a low-latency dispatch: where each selection went, and what
/// came from whom.
///
/// Confined to the thread that runs the call.
final class HostLowLatencyHandle extends LowLatencyHandleData {
  final SelectionPlan plan;
  private final int numRanks;
  private int[] counts = new int[0];
  private int[] begins = new int[0];
  private int[] slots = new int[0];
  private int local;
  private boolean received;

  HostLowLatencyHandle(int numRanks) {
    this.numRanks = numRanks;
    this.plan = new SelectionPlan(numRanks);
  }

  /// Forgets what an earlier dispatch received.
  void startSend() {
    received = false;
  }

  /// Makes room for what comes from each source; all counts are 0.
  void startReceive() {
    local = numExperts / numRanks;
    int size = local * numRanks;
    if (counts.length < size) {
      counts = new int[size];
      begins = new int[size];
      slots = new int[size];
    }
    Arrays.fill(counts, 0, size, 0);
  }

  /// Rows of each local expert, source after source.
  int[] counts() {
    return counts;
  }

  int numLocalExperts() {
    return local;
  }

  /// Lays the rows of each expert out by source, once all counts are known.
  void endReceive() {
    for (int expert = 0; expert < local; expert++) {
      int begin = 0;
      for (int source = 0; source < numRanks; source++) {
        int at = source * local + expert;
        begins[at] = begin;
        slots[at] = expert == 0 ? 0 : slots[at - 1] + counts[at - 1];
        begin += counts[at];
      }
    }
    received = true;
  }

  /// {@return true if the counts are known}
  boolean isReceived() {
    return received;
  }

  int count(int source, int expert) {
    return counts[source * local + expert];
  }

  /// Where the rows of a source begin among those of a local expert.
  int begin(int source, int expert) {
    return begins[source * local + expert];
  }

  /// The first slot of the rows that a source sent to a local expert.
  int firstSlot(int source, int expert) {
    return slots[source * local + expert];
  }

  int total(int expert) {
    int last = (numRanks - 1) * local + expert;
    return begins[last] + counts[last];
  }
}
