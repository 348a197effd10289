package io.crossdock.core;

import io.crossdock.core.spi.EngineSession;
import java.util.Locale;

/// Tells the flight recorder of the calls of one buffer. Nothing is made, read or counted unless a
/// recording wants it.
///
/// ```java
/// CallEvent event = events.dispatch(Mode.NORMAL);
/// ...
/// events.end(event, rows, failure);
/// ```
///
/// Safe for any thread.
final class CallEvents {
  /// Only asked whether they are enabled, which starts no part of the flight recorder.
  private static final CallEvent DISPATCH = new DispatchEvent();

  private static final CallEvent COMBINE = new CombineEvent();
  private static final int CHARS_PER_WAIT = 12;

  private final EngineSession session;
  private final int rank;
  private final int numRanks;

  CallEvents(EpBuffer buffer) {
    this.session = buffer.session();
    this.rank = buffer.group().rank();
    this.numRanks = buffer.group().size();
  }

  /// {@return the event of a dispatch that begins now, or null if nobody records it}
  CallEvent dispatch(Mode mode) {
    return DISPATCH.isEnabled() ? begin(new DispatchEvent(), mode) : null;
  }

  /// {@return the event of a combine that begins now, or null if nobody records it}
  CallEvent combine(Mode mode) {
    return COMBINE.isEnabled() ? begin(new CombineEvent(), mode) : null;
  }

  private CallEvent begin(CallEvent event, Mode mode) {
    event.mode = mode.name().toLowerCase(Locale.ROOT).replace('_', '-');
    event.engine = session.engine();
    event.rank = rank;
    event.ranks = numRanks;
    event.begin();
    return event;
  }

  /// Ends the event of a call that this thread was the last to run, before the next one begins.
  ///
  /// @param event of the call, or null
  /// @param rows received or combined
  /// @param failure what the call threw, or null
  void end(CallEvent event, long rows, Throwable failure) {
    if (event == null) {
      return;
    }
    event.end();
    if (!event.shouldCommit()) {
      return;
    }
    event.outcome = failure == null ? "" : EpBuffer.reason(failure);
    event.rows = rows;
    if (failure == null && !event.isCounted) {
      count(event);
    }
    tellWaits(event, session.lastWaits());
    event.commit();
  }

  /// Runs the refusal of a call that was never begun; it moved nothing and waited for nobody.
  ///
  /// @param event begun just now, or null
  /// @param cause why the call is refused
  /// @param refusal tells the peers
  void refuse(CallEvent event, Throwable cause, Runnable refusal) {
    try {
      refusal.run();
    } finally {
      if (event != null) {
        event.outcome = EpBuffer.reason(cause);
        event.waits = "";
        event.slowestPeer = -1;
        event.commit();
      }
    }
  }

  /// Counts what a call moved that is not over yet: another one may come before its end.
  ///
  /// @param event of the call, or null
  void sent(CallEvent event) {
    if (event != null) {
      count(event);
    }
  }

  private void count(CallEvent event) {
    CallStats stats = session.lastCall();
    event.bytesRead = stats.bytesRead();
    event.bytesWritten = stats.bytesWritten();
    event.wireBytes = stats.wireBytes();
    event.isCounted = true;
  }

  private static void tellWaits(CallEvent event, long[] waits) {
    StringBuilder text = new StringBuilder(waits.length * CHARS_PER_WAIT);
    event.slowestPeer = -1;
    for (int peer = 0; peer < waits.length; peer++) {
      text.append(peer == 0 ? "" : ",").append(peer).append('=').append(waits[peer]);
      if (waits[peer] > event.longestWait) {
        event.longestWait = waits[peer];
        event.slowestPeer = peer;
      }
    }
    event.waits = text.toString();
  }
}
