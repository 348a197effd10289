package io.crossdock.cuda;

import io.crossdock.core.LeaseException;
import io.crossdock.core.Tensor;
import io.crossdock.core.protocol.Failures;
import io.crossdock.core.protocol.WindowSet;
import io.crossdock.core.spi.OutputPlace;
import java.lang.foreign.MemorySegment;

/// This rank's expert-output windows: handed out for zero-copy, then left to their readers. Whoever
/// uses a window next waits for the readers on the GPU, so for the host it is free as soon as the
/// combine was enqueued, or, where the caller waits for the combine, when that is over.
///
/// Confined to the thread that runs the call, except [#claim], which may run ahead on the caller's
/// thread.
final class CudaOutputs {
  private static final long WINDOW = Structs.AWAIT_PULLED.offset("window");

  private final CudaContext context;
  private final WindowSet windows;
  private final WindowEvents released;
  private final Launcher awaitPulled;
  private int last = -1;

  CudaOutputs(CudaContext context, WindowEvents released) {
    this.context = context;
    this.windows = context.output;
    this.released = released;
    this.awaitPulled = context.launcher(Kernel.AWAIT_PULLED);
  }

  /// Hands out a place once its readers are done.
  OutputPlace lend(int topk) {
    int window = acquire();
    try {
      Ticket begun = context.begin();
      released.awaitRelease(window);
      awaitPulled.putReporting(begun);
      awaitPulled.put(WINDOW, window);
      context.run(Kernel.AWAIT_PULLED, 1, 0);
    } catch (RuntimeException e) {
      context.withdraw(windows, window);
      throw e;
    }
    long ticket = windows.ticket(window);
    windows.hand(window, WindowSet.Holder.LEASE, 0);
    long at = address(window);
    MemorySegment rows = MemorySegment.ofAddress(at);
    return new OutputPlace(
        window, ticket, rows, MemorySegment.ofAddress(at + context.geometry.outputWeights));
  }

  long address(int window) {
    return context.links.address(context.rank) + context.geometry.output(window);
  }

  /// Takes over the handed-out window that a tensor fills from its start.
  ///
  /// @return the window, or -1 if the tensor lies elsewhere
  /// @throws LeaseException if the window was combined or given back before
  int claim(Tensor y) {
    for (int window = 0; window < windows.size(); window++) {
      if (y.segment().address() == address(window) && y.isContiguous()) {
        if (!windows.claimLease(window)) {
          throw Failures.outputNotHandedOut(context.rank, window, windows);
        }
        return window;
      }
    }
    return -1;
  }

  /// Takes a free window, another than the last if there is one: its readers are done sooner.
  ///
  /// @throws LeaseException if all are handed out
  int acquire() {
    long oldest = context.log.oldest();
    int window = windows.acquire();
    while (window < 0 && oldest != 0) {
      context.wait.await(oldest);
      oldest = context.log.oldest();
      window = windows.acquire();
    }
    if (window < 0) {
      throw Failures.noOutputWindow(context.rank, windows);
    }
    if (window == last) {
      int other = windows.acquire();
      if (other >= 0) {
        windows.free(window);
        window = other;
      }
    }
    last = window;
    return window;
  }

  /// Makes a window wait for what callers' streams did with it.
  void awaitRelease(int window) {
    released.awaitRelease(window);
  }
}
