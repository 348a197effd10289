package io.crossdock.core.protocol;

import java.util.Arrays;

/// How long a rank waits for each peer in low-latency mode, as pure state: no clock, no I/O.
///
/// A rank that waits bumps a beat in its own memory. A peer has the time-out, and has it again from
/// each moment at which its beat was seen to move: a peer that waits itself, for somebody else,
/// cannot come yet, and is not the one that is missing. So a rank that waits for a third one is
/// given up by nobody, and who stopped is given up a time-out after its last sign.
///
/// A wait as a whole lasts at most R time-outs: in a chain of ranks that wait for each other each
/// adds no more than its own. Ranks that wait for each other in a circle, since they are out of
/// step, find out then.
///
/// Confined to the thread that waits.
public final class Patience {
  private final long timeoutNanos;
  private final long limitNanos;
  private final long[] beats;
  private final long[] lastSigns;

  /// Creates the state of a rank.
  ///
  /// @param numRanks R
  /// @param timeoutNanos what a peer has
  public Patience(int numRanks, long timeoutNanos) {
    boolean fits = timeoutNanos <= Long.MAX_VALUE / numRanks;
    this.timeoutNanos = timeoutNanos;
    this.limitNanos = fits ? timeoutNanos * numRanks : Long.MAX_VALUE;
    this.beats = new long[numRanks];
    this.lastSigns = new long[numRanks];
  }

  /// Begins a wait.
  public void begin() {
    Arrays.fill(lastSigns, 0);
  }

  /// Takes in a peer's beat. What it was before the wait is taken in when the wait begins.
  ///
  /// @param peer a rank
  /// @param beat as it is now
  /// @param waitedNanos since the wait began
  public void observe(int peer, long beat, long waitedNanos) {
    if (beats[peer] != beat) {
      beats[peer] = beat;
      lastSigns[peer] = waitedNanos;
    }
  }

  /// {@return true if a peer that did not come yet has had its time}
  ///
  /// @param peer a rank
  /// @param waitedNanos since the wait began
  public boolean isOver(int peer, long waitedNanos) {
    return waitedNanos - lastSigns[peer] > timeoutNanos || waitedNanos > limitNanos;
  }
}
