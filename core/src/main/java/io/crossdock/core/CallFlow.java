package io.crossdock.core;

import io.crossdock.core.spi.EngineSession;

/// What the flows of dispatch and combine share: the order of one admitted call against other work.
/// The call runs as part of the communication stream, after the previous event or else after what
/// the caller's current stream was given so far. If it fails before its epoch, it is withdrawn.
///
/// Confined to the thread that uses the buffer.
abstract class CallFlow {
  final EpBuffer buffer;
  final EngineSession session;
  final ExecutionStream stream;
  final CallEvents events;
  private CallOptions ordering;

  /// True once the epoch may have been entered, or the call was withdrawn.
  private boolean settled;

  CallFlow(EpBuffer buffer) {
    this.buffer = buffer;
    this.session = buffer.session();
    this.stream = session.commStream();
    this.events = new CallEvents(buffer);
  }

  /// Makes the flow that of a call that was just admitted.
  final void start(CallOptions options) {
    ordering = options;
    settled = false;
  }

  final boolean isAsync() {
    return ordering.completion() == Completion.ASYNC_FINISH;
  }

  final boolean allocatesOnCommStream() {
    return ordering.allocationStream() == AllocationStream.COMM_STREAM;
  }

  final void execute(Runnable work) {
    try {
      follow();
      stream.execute(work);
    } catch (RuntimeException | Error e) {
      withdraw(e);
      throw e;
    }
  }

  final EventOverlap submit(Runnable work) {
    try {
      follow();
      return stream.submit(work);
    } catch (RuntimeException | Error e) {
      withdraw(e);
      throw e;
    }
  }

  private void follow() {
    if (ordering.previousEvent().isEmpty()) {
      stream.follow();
    }
  }

  /// Waits, on the communication stream, for what the call must come after.
  final void awaitPrevious() {
    if (ordering.previousEvent().isPresent()) {
      ordering.previousEvent().get().currentStreamWait();
    }
  }

  /// Runs what precedes the epoch.
  final void orWithdraw(Runnable step) {
    try {
      step.run();
    } catch (RuntimeException | Error e) {
      withdraw(e);
      throw e;
    }
  }

  /// From here on the engine answers for the call.
  final void entering() {
    settled = true;
  }

  /// The call will not be entered: its window is given back and the peers are told.
  private void withdraw(Throwable cause) {
    if (!settled) {
      settled = true;
      giveBack();
      refuse(cause);
    }
  }

  /// Tells the peers, and the flight recorder, of a call that will not be entered.
  final void refuse(Throwable cause) {
    events.refuse(newEvent(), cause, () -> buffer.refuse(cause));
  }

  /// {@return an event that begins now, or null if nobody records it}
  abstract CallEvent newEvent();

  /// Gives back what was reserved.
  abstract void giveBack();
}
