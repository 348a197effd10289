package io.crossdock.core.protocol;

import static io.crossdock.core.protocol.Violation.check;

import java.util.Arrays;

/// Knows from outside what every window and entry is still needed for, and objects to the step that
/// destroys it. It looks at what ranks do, never into their [ProtocolState].
final class Oracle {
  private static final int NUM_RANKS = Scenario.NUM_RANKS;
  private static final int ALL = (1 << NUM_RANKS) - 1;

  /// Ranks are never more than one epoch apart.
  private static final int VERDICTS = 4;

  private final long[][] placeEpochs;
  private final int[][] results;
  private final int[][] unpulled;
  private final long[][] outputEpochs;
  private final long[][] outputPurposes;
  private final int[][] unreadEntries = new int[NUM_RANKS][ProtocolState.ENTRY_SLOTS];
  private final long[] verdictEpochs = new long[VERDICTS];
  private final Verdict[] verdicts = new Verdict[VERDICTS];

  Oracle(Scenario scenario) {
    placeEpochs = new long[NUM_RANKS][scenario.receiveWindows];
    results = new int[NUM_RANKS][scenario.receiveWindows];
    unpulled = new int[NUM_RANKS][scenario.outputWindows];
    outputEpochs = new long[NUM_RANKS][scenario.outputWindows];
    outputPurposes = new long[NUM_RANKS][scenario.outputWindows];
    Arrays.fill(verdicts, Verdict.PROCEED);
  }

  void publishEntry(int rank, int slot) {
    check(unreadEntries[rank][slot] == 0, "entry overwritten before all peers read it");
    unreadEntries[rank][slot] = ALL & ~(1 << rank);
  }

  void readEntry(int reader, int peer, int slot) {
    unreadEntries[peer][slot] &= ~(1 << reader);
  }

  void conclude(long epoch, Verdict verdict) {
    int at = (int) (epoch % VERDICTS);
    check(
        verdictEpochs[at] != epoch || verdicts[at] == verdict,
        "verdicts differ: epoch=" + epoch + ", " + verdicts[at] + " against " + verdict);
    verdictEpochs[at] = epoch;
    verdicts[at] = verdict;
  }

  /// The owner takes a receive window for a call.
  void takeReceive(int owner, int window) {
    check(results[owner][window] == 0, "window chosen that holds a live result");
    check(placeEpochs[owner][window] == 0, "window chosen that peers place into");
  }

  /// The owner lets peers place rows.
  void openReceive(int owner, int window, long epoch) {
    takeReceive(owner, window);
    placeEpochs[owner][window] = epoch;
  }

  void place(int owner, int window, long epoch) {
    check(
        placeEpochs[owner][window] == epoch,
        "row placed into a window that is not open for it: epoch="
            + epoch
            + ", open="
            + placeEpochs[owner][window]
            + ", result="
            + results[owner][window]);
  }

  /// The owner has all rows of an epoch and goes on to need them.
  void completeReceive(int owner, int window, int call) {
    placeEpochs[owner][window] = 0;
    results[owner][window] = call + 1;
  }

  boolean holdsResult(int owner, int window, int call) {
    return results[owner][window] == call + 1;
  }

  /// The owner needs a result no more.
  void endResult(int owner, int window, int call) {
    if (holdsResult(owner, window, call)) {
      results[owner][window] = 0;
    }
  }

  /// The owner, or its expert, writes a row into an output window.
  void stage(int owner, int window) {
    check(unpulled[owner][window] == 0, "output row overwritten before all peers pulled it");
  }

  /// The owner lets peers pull what was written for a purpose.
  void openOutput(int owner, int window, long epoch, long purpose) {
    stage(owner, window);
    unpulled[owner][window] = ALL;
    outputEpochs[owner][window] = epoch;
    outputPurposes[owner][window] = purpose;
  }

  /// {@return what the rows of an output window were written for}
  long pull(int reader, int owner, int window, long epoch) {
    check(outputEpochs[owner][window] == epoch, "row pulled that was published for another epoch");
    check((unpulled[owner][window] & 1 << reader) != 0, "row pulled from a window no longer open");
    return outputPurposes[owner][window];
  }

  /// A reader is done with an epoch.
  void pulled(int reader, long epoch) {
    for (int owner = 0; owner < NUM_RANKS; owner++) {
      for (int window = 0; window < unpulled[owner].length; window++) {
        if (outputEpochs[owner][window] == epoch) {
          unpulled[owner][window] &= ~(1 << reader);
        }
      }
    }
  }

  /// The owner learns that nobody will place or pull anything in an epoch.
  void giveUp(int owner, long epoch) {
    for (int window = 0; window < placeEpochs[owner].length; window++) {
      if (placeEpochs[owner][window] == epoch) {
        placeEpochs[owner][window] = 0;
      }
    }
    for (int window = 0; window < unpulled[owner].length; window++) {
      if (outputEpochs[owner][window] == epoch) {
        unpulled[owner][window] = 0;
      }
    }
  }

  /// Every rank came to reset, so none is in a call.
  void reset() {
    for (int rank = 0; rank < NUM_RANKS; rank++) {
      Arrays.fill(placeEpochs[rank], 0);
      Arrays.fill(results[rank], 0);
      Arrays.fill(unpulled[rank], 0);
      Arrays.fill(unreadEntries[rank], 0);
    }
  }
}
