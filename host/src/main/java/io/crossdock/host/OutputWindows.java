package io.crossdock.host;

import io.crossdock.core.LeaseException;
import io.crossdock.core.Tensor;
import io.crossdock.core.protocol.Failures;
import io.crossdock.core.protocol.ProtocolState;
import io.crossdock.core.protocol.WindowSet;
import io.crossdock.core.spi.OutputPlace;

/// This rank's expert-output windows: handed out for zero-copy, published to readers, free again
/// once every reader pulled.
///
/// Confined to the thread that runs the call, except [#claim], which may run ahead on the caller's
/// thread.
final class OutputWindows {
  private final HostContext context;
  private final WindowSet windows;

  OutputWindows(HostContext context) {
    this.context = context;
    this.windows = context.protocol.output();
  }

  /// Hands out a place.
  OutputPlace lend(int topk) {
    int window = acquire();
    long ticket = windows.ticket(window);
    windows.hand(window, WindowSet.Holder.LEASE, context.protocol.epoch());
    WindowLayout layout = context.layout;
    long at = layout.output(window);
    return new OutputPlace(
        window,
        ticket,
        context.pages[context.rank].asSlice(at, layout.rows * context.spec.hidden() * 2L),
        context.pages[context.rank].asSlice(at + layout.outputWeights, layout.rows * topk * 4L));
  }

  /// Takes over the handed-out window that a tensor fills from its start.
  ///
  /// @return the window, or -1 if the tensor lies elsewhere
  /// @throws LeaseException if the window was combined or given back before
  int claim(Tensor y) {
    long start = context.pages[context.rank].address();
    for (int window = 0; window < windows.size(); window++) {
      boolean here = y.segment().address() == start + context.layout.output(window);
      if (here && y.isContiguous()) {
        return claim(window);
      }
    }
    return -1;
  }

  private int claim(int window) {
    if (!windows.claimLease(window)) {
      throw Failures.outputNotHandedOut(context.rank, window, windows);
    }
    return window;
  }

  /// Takes a free window, waiting, bounded, for readers of an earlier combine.
  ///
  /// @throws LeaseException if all are handed out
  int acquire() {
    for (int peer = 0; peer < context.numRanks; peer++) {
      observePulled(peer);
    }
    int window = context.protocol.acquireOutput();
    if (window >= 0) {
      return window;
    }
    long epoch = context.protocol.nextPulled();
    if (epoch < 0) {
      throw Failures.noOutputWindow(context.rank, windows);
    }
    awaitReaders(epoch);
    return context.protocol.acquireOutput();
  }

  private void awaitReaders(long epoch) {
    ProtocolState protocol = context.protocol;
    for (int peer = protocol.nextUnpulled(epoch); peer >= 0; peer = protocol.nextUnpulled(epoch)) {
      context.waiter.awaitAtLeast(peer, context.layout.pulled, epoch, Phase.PULL);
      observePulled(peer);
    }
  }

  private void observePulled(int peer) {
    context.protocol.observePulled(peer, context.board.load(peer, context.layout.pulled));
  }

  /// Passes a window to its readers, as of this epoch.
  void publish(int window) {
    context.protocol.publishOutput(window);
  }

  /// Takes a window back that nobody will read: the call was given up on every rank.
  void withdraw(int window) {
    context.protocol.withdraw(windows, window);
  }
}
