package io.crossdock.core.protocol;

import java.util.Arrays;

/// The rules of low-latency mode on one rank, as pure state: no I/O, no waiting, no clock. Engines
/// drive it, and so does a test scheduler that tries all interleavings.
///
/// One collective call is one epoch, `generation << 32 | number`. Each source writes only its own
/// lane of a receiver's memory, in the slot set that belongs to the call ([#set]), and then its
/// flag, which is tagged with the epoch, so nothing is ever zeroed. The life of a call:
///
/// 1. [#begin()] once [#canBegin()]: this rank's call before the last is complete. Otherwise a hook
///    that did not run holds its slots.
/// 2. The rank waits until no living peer is [#nextUngranted()]: each has completed the call that
///    used the slots before. A program that runs each hook before its next call never waits here.
/// 3. It sends its rows and flags to the ranks that are not masked, or publishes a refusal and
///    calls [#complete].
/// 4. Now or in a hook: [#observe] for every source until no living one is [#nextUnseen]; rows are
///    packed or summed, then [#complete], whose mark is published.
///
/// A source that does not come is masked ([#mask]): nothing is sent to it, nothing of it is read,
/// nobody waits for it. Ranks come back through a [Rejoin], which ends in [#restart].
///
/// Confined to the thread that runs the call.
public final class LowLatencyState {
  /// Slot sets of a rank: calls use them in turn.
  public static final int SLOT_SETS = 2;

  /// Results of dispatches that may be alive at once.
  public static final int MAX_LIVE_RESULTS = 2;

  private static final int NUMBER_BITS = 32;

  private final int numRanks;
  private final boolean[] masked;
  private final long[] peerCompleted;
  private final long[] open = new long[SLOT_SETS];
  private final boolean[][] seen;
  private long epoch;

  /// Creates the state of a fresh buffer, in generation 0, with every call complete.
  ///
  /// @param numRanks R
  public LowLatencyState(int numRanks) {
    this.numRanks = numRanks;
    this.masked = new boolean[numRanks];
    this.peerCompleted = new long[numRanks];
    this.seen = new boolean[SLOT_SETS][numRanks];
  }

  /// {@return the slot set of a call}
  ///
  /// @param epoch its number
  public static int set(long epoch) {
    return (int) (epoch % SLOT_SETS);
  }

  /// {@return the generation of a call}
  ///
  /// @param epoch its number
  public static long generation(long epoch) {
    return epoch >>> NUMBER_BITS;
  }

  /// {@return the epoch that a generation begins with; its first call has the next}
  ///
  /// @param generation its number
  public static long first(long generation) {
    return generation << NUMBER_BITS;
  }

  /// {@return the epoch of the last call}
  public long epoch() {
    return epoch;
  }

  /// {@return the call up to which all calls of this rank are complete: what it publishes}
  public long completed() {
    long before = epoch;
    for (long call : open) {
      if (call != 0) {
        before = Math.min(before, call - 1);
      }
    }
    return before;
  }

  /// {@return true if the slots of the next call are free here}
  public boolean canBegin() {
    return completed() >= epoch - 1;
  }

  /// Begins the next call.
  ///
  /// @return its epoch
  public long begin() {
    if (!canBegin()) {
      throw new IllegalStateException(
          "call before the last is not complete: epoch=" + epoch + ", completed=" + completed());
    }
    epoch++;
    open[set(epoch)] = epoch;
    Arrays.fill(seen[set(epoch)], false);
    return epoch;
  }

  /// {@return true until a call is complete or abandoned}
  ///
  /// @param call its epoch
  public boolean isOpen(long call) {
    return call != 0 && open[set(call)] == call;
  }

  /// Takes in a peer's completed mark.
  ///
  /// @param peer a rank
  /// @param mark the call up to which all its calls are complete
  public void observeCompleted(int peer, long mark) {
    peerCompleted[peer] = Math.max(peerCompleted[peer], mark);
  }

  /// {@return the mark that a peer must have published before this rank may send it the last call}
  public long neededMark() {
    return epoch - SLOT_SETS;
  }

  /// {@return a living rank that was not seen to have freed the slots of the last call, or -1}
  public int nextUngranted() {
    for (int peer = 0; peer < numRanks; peer++) {
      if (!masked[peer] && peerCompleted[peer] < neededMark()) {
        return peer;
      }
    }
    return -1;
  }

  /// Takes in that a source's flag of a call was seen.
  ///
  /// @param call an open call
  /// @param source a rank
  public void observe(long call, int source) {
    seen[set(call)][source] = true;
  }

  /// {@return true if the rows of a source count: its flag was seen and it is not masked}
  ///
  /// @param call an open call
  /// @param source a rank
  public boolean counts(long call, int source) {
    return seen[set(call)][source] && !masked[source];
  }

  /// {@return a living source whose flag of a call was not taken in yet, or -1}
  ///
  /// @param call an open call
  public int nextUnseen(long call) {
    boolean[] there = seen[set(call)];
    for (int source = 0; source < numRanks; source++) {
      if (!masked[source] && !there[source]) {
        return source;
      }
    }
    return -1;
  }

  /// Ends a call, well or badly: its slots may be written again.
  ///
  /// @param call an open call
  public void complete(long call) {
    if (isOpen(call)) {
      open[set(call)] = 0;
    }
  }

  /// Gives a rank up.
  ///
  /// @param peer a rank
  public void mask(int peer) {
    masked[peer] = true;
  }

  /// {@return true if a rank was given up}
  ///
  /// @param peer a rank
  public boolean isMasked(int peer) {
    return masked[peer];
  }

  /// Starts anew, after a [Rejoin] or a reset: calls whose hook did not run are abandoned.
  ///
  /// @param generation above all used, equal on all ranks that take part
  /// @param absent ranks that are masked from now on; all others live
  public void restart(long generation, boolean[] absent) {
    epoch = first(generation);
    Arrays.fill(open, 0);
    System.arraycopy(absent, 0, masked, 0, numRanks);
  }
}
