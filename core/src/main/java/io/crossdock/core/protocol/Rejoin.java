package io.crossdock.core.protocol;

import java.util.Arrays;

/// The handshake by which ranks that were masked come back, as pure state. All living ranks and
/// those that return take part, each when its own calls are over:
///
/// 1. [#begin]: the rank publishes its generation and a knock, a number that it never used before.
/// 2. [#observeKnock] until nobody is [#nextAbsent()]; who does not come is left out ([#leaveOut]).
/// 3. The rank acknowledges each knock that it saw ([#knockOf]) with the generation it
///    [#proposes()].
/// 4. [#observeAck] until nobody is [#nextSilent()]. Then [#end()] is the generation of all.
///
/// A knock is good for one handshake: one that is still shown after it is not taken for the next.
///
/// Confined to the thread that runs the handshake.
public final class Rejoin {
  private final int rank;
  private final int numRanks;
  private final boolean[] leftOut;
  private final boolean[] acked;
  private final long[] knocks;
  private final long[] used;
  private long knock;
  private long generation;

  /// Creates the state of a buffer.
  ///
  /// @param rank this rank
  /// @param numRanks R
  public Rejoin(int rank, int numRanks) {
    this.rank = rank;
    this.numRanks = numRanks;
    this.leftOut = new boolean[numRanks];
    this.acked = new boolean[numRanks];
    this.knocks = new long[numRanks];
    this.used = new long[numRanks];
  }

  /// Begins a handshake.
  ///
  /// @param own the generation of this rank
  /// @param absent ranks that do not take part
  /// @return the knock to be published
  public long begin(long own, boolean[] absent) {
    System.arraycopy(absent, 0, leftOut, 0, numRanks);
    Arrays.fill(acked, false);
    Arrays.fill(knocks, 0);
    knock++;
    generation = own + 1;
    leftOut[rank] = false;
    acked[rank] = true;
    knocks[rank] = knock;
    return knock;
  }

  /// Takes in what a peer shows. Once a peer that was seen to knock has acknowledged this rank's
  /// knock, its part is done: a further knock of it is for the next handshake, and is left alone.
  /// So where knocks are looked at again later on, what a peer acknowledged must be looked at after
  /// its knock and be taken in before it.
  ///
  /// @param peer a rank
  /// @param shown its knock; 0 while it is in no handshake
  /// @param theirs its generation
  public void observeKnock(int peer, long shown, long theirs) {
    boolean done = acked[peer] && knocks[peer] != 0;
    if (shown > used[peer] && !done && peer != rank) {
      knocks[peer] = shown;
      generation = Math.max(generation, theirs + 1);
    }
  }

  /// {@return true if a rank takes part and was not seen to knock}
  ///
  /// @param peer a rank
  public boolean isAbsent(int peer) {
    return !leftOut[peer] && knocks[peer] == 0;
  }

  /// {@return true if a rank takes part and was not seen to acknowledge}
  ///
  /// @param peer a rank
  public boolean isSilent(int peer) {
    return !leftOut[peer] && !acked[peer];
  }

  /// {@return a rank that takes part and was not seen to knock, or -1}
  public int nextAbsent() {
    for (int peer = 0; peer < numRanks; peer++) {
      if (isAbsent(peer)) {
        return peer;
      }
    }
    return -1;
  }

  /// Goes on without a rank.
  ///
  /// @param peer a rank
  public void leaveOut(int peer) {
    leftOut[peer] = true;
  }

  /// {@return the generation to acknowledge with, once nobody is absent}
  public long proposes() {
    return generation;
  }

  /// {@return the knock of a peer that is to be acknowledged; 0 if it takes no part}
  ///
  /// @param peer a rank
  public long knockOf(int peer) {
    return leftOut[peer] ? 0 : knocks[peer];
  }

  /// Takes in a peer's acknowledgement where a knock is never seen after its handshake.
  ///
  /// @param peer a rank
  /// @param of the knock it acknowledged
  /// @param theirs the generation it proposed
  public void observeAck(int peer, long of, long theirs) {
    observeAck(peer, of, knocks[peer], theirs);
  }

  /// Takes in a peer's acknowledgement. The knock that the peer acknowledged with is the one of
  /// this handshake, whatever was seen of it before: that may have been an old one that came late.
  ///
  /// @param peer a rank
  /// @param of the knock it acknowledged
  /// @param from the knock of the peer
  /// @param theirs the generation it proposed
  public void observeAck(int peer, long of, long from, long theirs) {
    if (of == knock) {
      acked[peer] = true;
      knocks[peer] = from;
      generation = Math.max(generation, theirs);
    }
  }

  /// {@return a rank that takes part and was not seen to acknowledge, or -1}
  public int nextSilent() {
    for (int peer = 0; peer < numRanks; peer++) {
      if (isSilent(peer)) {
        return peer;
      }
    }
    return -1;
  }

  /// Ends the handshake.
  ///
  /// @return the generation of all that took part
  public long end() {
    for (int peer = 0; peer < numRanks; peer++) {
      used[peer] = Math.max(used[peer], knocks[peer]);
    }
    return generation;
  }

  /// {@return ranks that took no part or were left out; a copy}
  public boolean[] absent() {
    return leftOut.clone();
  }
}
