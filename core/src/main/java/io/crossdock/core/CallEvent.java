package io.crossdock.core;

import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Timespan;

/// What the flight recorder keeps of one call on one rank.
///
/// Made by one thread, ended by the same or, if the call ends elsewhere, by another one after it.
abstract class CallEvent extends Event {
  /// True once the bytes are known. No field of the event.
  transient boolean isCounted;

  @Label("Mode")
  @Description("normal or low-latency")
  String mode;

  @Label("Engine")
  String engine;

  @Label("Rank")
  int rank;

  @Label("Ranks")
  int ranks;

  @Label("Rows")
  @Description("Dispatch: rows received. Combine: tokens summed")
  long rows;

  @Label("Bytes Read")
  @DataAmount
  long bytesRead;

  @Label("Bytes Written")
  @DataAmount
  long bytesWritten;

  @Label("Wire Bytes")
  @Description("Bytes of rows that left this rank for another")
  @DataAmount
  long wireBytes;

  @Label("Waits")
  @Description("Nanoseconds waited for each peer, peer=wait; empty if the host does not know")
  String waits;

  @Label("Longest Wait")
  @Timespan(Timespan.NANOSECONDS)
  long longestWait;

  @Label("Slowest Peer")
  @Description("The peer of the longest wait; -1 if there was none")
  int slowestPeer;

  @Label("Outcome")
  @Description("Empty, or the message of what the call threw")
  String outcome;
}
