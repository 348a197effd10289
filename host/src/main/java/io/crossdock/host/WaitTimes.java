package io.crossdock.host;

import java.util.Arrays;

/// How long this rank waited for each peer: in the call at hand, and since the session began in the
/// histogram that other processes watch.
///
/// Confined to the thread that runs the call; calls of a buffer, and the hooks that finish them,
/// run one at a time, so counters have one writer at a time.
final class WaitTimes implements AutoCloseable {
  private final long[] ofCall;

  /// Null until shared.
  private WaitHistogram histogram;

  WaitTimes(int numRanks) {
    this.ofCall = new long[numRanks];
  }

  /// Counts for watchers too, from now on.
  void share(WaitHistogram target) {
    histogram = target;
  }

  /// Forgets the call before.
  void startCall() {
    Arrays.fill(ofCall, 0);
  }

  /// Adds a wait that is over.
  ///
  /// @param peer that was waited for
  /// @param nanos 0 if the first look found it
  void add(int peer, long nanos) {
    ofCall[peer] += nanos;
    if (histogram != null) {
      histogram.count(peer, nanos);
    }
  }

  /// Nanoseconds of the call at hand, by peer; the array itself.
  long[] ofCall() {
    return ofCall;
  }

  @Override
  public void close() {
    if (histogram != null) {
      histogram.close();
    }
  }
}
