package io.crossdock.core;

/// The receive half of a low-latency call that was asked for a hook. Hooks of a buffer may run in
/// any order; the call after the next needs that this one ran.
///
/// Until then nothing of the library works for the receive, but that bytes of other nodes are taken
/// in by the network's thread where the network needs work at the target, as TCP does.
///
/// Confined to the thread that uses the buffer.
public final class RecvHook implements Runnable {
  private final EpBuffer buffer;
  private final Runnable receive;
  private Runnable afterwards = () -> {};
  private boolean ran;

  RecvHook(EpBuffer buffer, Runnable receive) {
    this.buffer = buffer;
    this.receive = receive;
  }

  /// Waits, bounded, for what the peers send and completes the call's outputs. A second run does
  /// nothing.
  ///
  /// @throws RefusedException if a peer's call was invalid
  /// @throws CollectiveMismatchException if the peers made another call
  /// @throws WaitTimeoutException if a peer did not arrive, unless the buffer masks it then
  @Override
  public void run() {
    if (!ran) {
      buffer.claimed(() -> {
        ran = true;
        try {
          receive.run();
        } finally {
          afterwards.run();
        }
      });
    }
  }

  /// {@return true if it was run, well or badly}
  public boolean isDone() {
    return ran;
  }

  /// Runs something once the hook ran: now if it did.
  void whenDone(Runnable work) {
    if (ran) {
      work.run();
    } else {
      afterwards = work;
    }
  }
}
