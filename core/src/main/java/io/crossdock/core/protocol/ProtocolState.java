package io.crossdock.core.protocol;

import java.util.Arrays;

/// The rules of a buffer on one rank, as pure state: no I/O, no waiting, no clock. Engines drive
/// it, and so does a test scheduler that tries all interleavings.
///
/// One collective call is one epoch (rounds take one each). The life of an epoch:
///
/// 1. [#begin()] once [#canBegin()]: every entry of the epoch before was seen, so no entry slot
///    that a peer may still read is overwritten ([#ENTRY_SLOTS], used in turn).
/// 2. The rank publishes its [Entry] with a window of its own choice, or a refusal.
/// 3. [#observe] for every peer's entry, in any order; with the last one [#verdict()] is the same
///    on all ranks.
/// 4. PROCEED: write to the windows the peers named and publish [#epoch()] as finished; a dispatch
///    is complete when every near peer's finished mark reached the epoch: rows of other nodes come
///    through a near rank, which finishes behind them. A combine pulls, calls [#publishOutput] and
///    publishes [#epoch()] as pulled. Any other verdict: [#withdraw] the window.
///
/// What is waited for next is asked of [#nextUnseen()], [#nextUnfinished()] and [#nextUnpulled].
///
/// Windows are claimed and freed by [WindowSet], which any thread may call.
///
/// Confined to the thread that runs the call.
public final class ProtocolState {
  /// Entry slots of a rank: that of the current epoch, and that of the one before, which peers may
  /// still read.
  public static final int ENTRY_SLOTS = 2;

  private final int numRanks;
  private final int firstNear;
  private final int endNear;
  private final WindowSet receive;
  private final WindowSet output;
  private final Entry[] entries;
  private final boolean[] seen;
  private final long[] pulled;
  private final long[] finished;
  private final PeerState[] states;
  private int numSeen;
  private long epoch;

  /// Creates the state of a fresh buffer on one node, at epoch 0 with everything seen.
  ///
  /// @param entries one reusable entry per rank; this rank's own is the one it publishes
  /// @param receive receive windows
  /// @param output expert-output windows
  public ProtocolState(Entry[] entries, WindowSet receive, WindowSet output) {
    this(NodePlace.onOneNode(0, entries.length), entries, receive, output);
  }

  /// Creates the state of a fresh buffer, at epoch 0 with everything seen.
  ///
  /// @param place where this rank stands: ranks of its node tell when their rows are in its
  ///   windows, also those that came from other nodes
  /// @param entries one reusable entry per rank; this rank's own is the one it publishes
  /// @param receive receive windows
  /// @param output expert-output windows
  public ProtocolState(NodePlace place, Entry[] entries, WindowSet receive, WindowSet output) {
    this.numRanks = entries.length;
    this.firstNear = place.firstNear();
    this.endNear = place.endNear();
    this.entries = entries;
    this.receive = receive;
    this.output = output;
    this.seen = new boolean[numRanks];
    this.pulled = new long[numRanks];
    this.finished = new long[numRanks];
    this.states = new PeerState[numRanks];
    Arrays.fill(states, PeerState.RUNNING);
    Arrays.fill(seen, true);
    numSeen = numRanks;
  }

  /// {@return the slot that the entry of an epoch is published in}
  ///
  /// @param epoch its number
  public static int slot(long epoch) {
    return (int) (epoch % ENTRY_SLOTS);
  }

  /// {@return the epoch of the current or last call}
  public long epoch() {
    return epoch;
  }

  /// {@return this rank's receive windows}
  public WindowSet receive() {
    return receive;
  }

  /// {@return this rank's expert-output windows}
  public WindowSet output() {
    return output;
  }

  /// {@return the entry of a rank in the current epoch}
  ///
  /// @param peer a rank; this rank's own entry is filled before it is published
  public Entry entry(int peer) {
    return entries[peer];
  }

  /// {@return true if every entry of the last epoch was seen, so the next may begin}
  public boolean canBegin() {
    return numSeen == numRanks;
  }

  /// Begins the next epoch.
  ///
  /// @return its number
  public long begin() {
    if (!canBegin()) {
      throw new IllegalStateException("epoch not over: epoch=" + epoch + ", numSeen=" + numSeen);
    }
    Arrays.fill(seen, false);
    numSeen = 0;
    return ++epoch;
  }

  /// {@return a rank whose entry of the current epoch was not taken in yet, or -1}
  public int nextUnseen() {
    int peer = 0;
    while (peer < numRanks && seen[peer]) {
      peer++;
    }
    return peer < numRanks ? peer : -1;
  }

  /// Takes in that a peer entered the current epoch; [#entry] of the peer holds its content.
  ///
  /// @param peer a rank, this one included
  public void observe(int peer) {
    if (!seen[peer]) {
      seen[peer] = true;
      numSeen++;
    }
  }

  /// {@return what all ranks conclude; defined once [#canBegin()]}
  public Verdict verdict() {
    if (culprit(Verdict.REFUSED) >= 0) {
      return Verdict.REFUSED;
    }
    if (culprit(Verdict.MISMATCH) >= 0) {
      return Verdict.MISMATCH;
    }
    return culprit(Verdict.OVER_CAPACITY) >= 0 ? Verdict.OVER_CAPACITY : Verdict.PROCEED;
  }

  /// {@return the lowest rank that causes a verdict, or -1}
  ///
  /// @param verdict REFUSED, MISMATCH or OVER_CAPACITY
  public int culprit(Verdict verdict) {
    for (int peer = 0; peer < numRanks; peer++) {
      if (causes(peer, verdict)) {
        return peer;
      }
    }
    return -1;
  }

  private boolean causes(int peer, Verdict verdict) {
    Entry entry = entries[peer];
    return switch (verdict) {
      case REFUSED -> entry.kind == CallKind.REFUSED;
      case MISMATCH -> !entries[0].agrees(entry);
      case OVER_CAPACITY -> isOverCapacity(peer);
      case PROCEED -> false;
    };
  }

  private boolean isOverCapacity(int peer) {
    Entry entry = entries[peer];
    if (entry.kind != CallKind.FRESH_DISPATCH && entry.kind != CallKind.CACHED_DISPATCH) {
      return false;
    }
    long total = announcedTotal(peer);
    return total > entry.outputRows || (entry.canRound == 0 && total > entry.capacityRows);
  }

  /// {@return rows that the dispatch of this epoch sends to a rank}
  ///
  /// @param destination a rank
  public long announcedTotal(int destination) {
    long total = 0;
    for (Entry entry : entries) {
      total = Math.addExact(total, entry.rankCounts[destination]);
    }
    return total;
  }

  /// Rounds a call takes: the most over all ranks, so equal on all of them.
  ///
  /// @param handle counts of the dispatch
  /// @return at least 1
  public int rounds(HandleData handle) {
    long rounds = 1;
    for (int peer = 0; peer < numRanks; peer++) {
      long capacity = Math.max(1, entries[peer].capacityRows);
      rounds = Math.max(rounds, (handle.totalRows(peer) + capacity - 1) / capacity);
    }
    return Math.toIntExact(rounds);
  }

  /// Takes a window back from a call that was not carried out. After an abort it stays with the
  /// call until [#reset]: peers that did not hear of it yet may write to it or read from it.
  ///
  /// @param windows its kind
  /// @param window its index
  public void withdraw(WindowSet windows, int window) {
    if (abortedRank() < 0) {
      windows.withdraw(window);
    }
  }

  /// Takes in a peer's finished mark.
  ///
  /// @param peer a rank
  /// @param mark the epoch it finished placing
  public void observeFinished(int peer, long mark) {
    finished[peer] = Math.max(finished[peer], mark);
  }

  /// {@return a near rank that was not seen to have placed the rows of the current epoch, or -1}
  public int nextUnfinished() {
    return firstBelow(finished, epoch);
  }

  /// Takes in a peer's pulled mark.
  ///
  /// @param peer a rank
  /// @param mark the epoch of its last complete pull
  public void observePulled(int peer, long mark) {
    pulled[peer] = Math.max(pulled[peer], mark);
  }

  /// {@return a near rank that was not seen to have pulled what was published in an epoch, or -1}
  ///
  /// @param published the epoch an output window was published in
  public int nextUnpulled(long published) {
    return firstBelow(pulled, published);
  }

  private int firstBelow(long[] marks, long epoch) {
    int peer = firstNear;
    while (peer < endNear && marks[peer] >= epoch) {
      peer++;
    }
    return peer < endNear ? peer : -1;
  }

  /// Takes an expert-output window for a call: one that is free, or that all readers were seen to
  /// have pulled.
  ///
  /// @return its index, or -1 if all are handed out or still read
  public int acquireOutput() {
    for (int window = 0; window < output.size(); window++) {
      boolean read = output.holder(window) == WindowSet.Holder.READERS;
      if (read && nextUnpulled(output.epoch(window)) < 0) {
        output.free(window);
      }
    }
    return output.acquire();
  }

  /// {@return the epoch that all readers must have pulled before the next expert-output window is
  /// free; -1 if none is being read}
  public long nextPulled() {
    long oldest = -1;
    for (int window = 0; window < output.size(); window++) {
      boolean read = output.holder(window) == WindowSet.Holder.READERS;
      if (read && (oldest < 0 || output.epoch(window) < oldest)) {
        oldest = output.epoch(window);
      }
    }
    return oldest;
  }

  /// Leaves an expert-output window of the current epoch to its readers. This rank is done with it,
  /// and has not published that yet.
  ///
  /// @param window its index
  public void publishOutput(int window) {
    output.hand(window, WindowSet.Holder.READERS, epoch);
  }

  /// Takes in what a peer says of itself. Aborting is final until [#reset]; so is leaving.
  ///
  /// @param peer a rank, this one included
  /// @param state what it published
  public void observeState(int peer, PeerState state) {
    if (states[peer].compareTo(state) < 0) {
      states[peer] = state;
    }
  }

  /// {@return the lowest rank that aborted or passes an abort on, or -1: while there is one, every
  /// call is refused}
  public int abortedRank() {
    for (int peer = 0; peer < numRanks; peer++) {
      if (states[peer] == PeerState.ABORTED) {
        return peer;
      }
    }
    return -1;
  }

  /// {@return true if a wait on a peer is in vain: it left, and what it published before leaving is
  /// not what is waited for}
  ///
  /// @param peer a rank
  public boolean isGone(int peer) {
    return states[peer] == PeerState.LEAVING;
  }

  /// {@return the epoch to start anew at: above all whose marks or entries may still lie around}
  ///
  /// @param highest the highest [#epoch()] of all ranks
  public static long restart(long highest) {
    return highest + ENTRY_SLOTS;
  }

  /// Starts anew after an abort. Every rank published the start as its finished and pulled mark and
  /// that it is running.
  ///
  /// @param start [#restart], equal on all ranks
  public void reset(long start) {
    epoch = start;
    Arrays.fill(seen, true);
    numSeen = numRanks;
    Arrays.fill(pulled, start);
    Arrays.fill(finished, start);
    Arrays.fill(states, PeerState.RUNNING);
    receive.clear();
    output.clear();
  }
}
