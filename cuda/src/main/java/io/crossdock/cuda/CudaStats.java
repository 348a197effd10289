package io.crossdock.cuda;

import io.crossdock.core.CallStats;
import io.crossdock.core.protocol.HandleData;

/// Remembers what a call did; the bytes follow from the counts, which may have to be fetched.
///
/// Confined to the thread that uses the buffer.
final class CudaStats {
  private HandleData handle;
  private int numSms;
  private int numPasses;
  private int numRounds;
  private long rowBytes;
  private boolean dispatched;

  void dispatch(HandleData along, int sms, StagePlan plan, int rounds, long bytes) {
    start(along, sms, rounds, bytes);
    numPasses = (int) Math.ceilDiv(Math.max(1, bytes), plan.pieceBytes());
    dispatched = true;
  }

  void combine(HandleData along, int sms, int rounds, long bytes) {
    start(along, sms, rounds, bytes);
    numPasses = 1;
    dispatched = false;
  }

  /// The host knows neither choices nor counts, so the bytes are not told.
  void lowLatency(int sms) {
    start(null, sms, 1, 0);
  }

  private void start(HandleData along, int sms, int rounds, long bytes) {
    handle = along;
    numSms = sms;
    numRounds = rounds;
    rowBytes = bytes;
  }

  CallStats snapshot() {
    if (handle == null) {
      return new CallStats(numSms, 0, numRounds, numRounds, 0, 0, 0, 0);
    }
    handle.materialise();
    long entries = 0;
    for (int peer = 0; peer < handle.numRanks; peer++) {
      entries += sent(peer);
    }
    long moved = entries * rowBytes;
    long home = handle.numTokens() * rowBytes;
    return new CallStats(
        numSms,
        handle.numTokens(),
        numPasses,
        numRounds,
        dispatched ? home : moved,
        dispatched ? moved : home,
        (entries - sent(handle.rank)) * rowBytes,
        0);
  }

  private long sent(int peer) {
    return handle.prefix(handle.rank, peer) - handle.base(handle.rank, peer);
  }
}
