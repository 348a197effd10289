package io.crossdock.core;

import java.util.function.LongSupplier;
import java.util.function.Supplier;

/// The two halves of one low-latency call. The flight recorder is told of the call when it is over,
/// and what it holds is given back if it fails.
///
/// Confined to one thread at a time.
final class LowLatencyHalves {
  private final CallEvents events;
  private final Runnable send;
  private final Runnable receive;
  private final Runnable giveBack;
  private CallEvent event;

  /// @param giveBack runs if a half fails
  LowLatencyHalves(CallEvents events, Runnable send, Runnable receive, Runnable giveBack) {
    this.events = events;
    this.send = send;
    this.receive = receive;
    this.giveBack = giveBack;
  }

  void send(Supplier<CallEvent> begin) {
    event = begin.get();
    try {
      send.run();
    } catch (RuntimeException | Error e) {
      fail(e);
      throw e;
    }
    events.sent(event);
  }

  void receive(LongSupplier rows) {
    try {
      receive.run();
    } catch (RuntimeException | Error e) {
      fail(e);
      throw e;
    }
    events.end(event, event == null ? 0 : rows.getAsLong(), null);
  }

  /// What was only enqueued may fail after its half returned.
  void giveBack() {
    giveBack.run();
  }

  private void fail(Throwable failure) {
    giveBack.run();
    events.end(event, 0, failure);
    event = null;
  }
}
