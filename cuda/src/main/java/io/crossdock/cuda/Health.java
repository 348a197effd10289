package io.crossdock.cuda;

import io.crossdock.core.protocol.Failures;
import java.util.concurrent.atomic.AtomicReference;

/// Whether a buffer was aborted, as far as this rank's host knows. Kernels find out for themselves.
///
/// Safe for any thread.
final class Health {
  private final Control control;
  private final int rank;
  private final AtomicReference<Abort> abort = new AtomicReference<>();

  /// Who aborted and why.
  private record Abort(int origin, String reason) {}

  Health(Control control, int rank) {
    this.control = control;
    this.rank = rank;
  }

  boolean isAborted() {
    return abort.get() != null;
  }

  /// Throws if the buffer was aborted.
  void checkUsable() {
    Abort known = abort.get();
    if (known != null) {
      throw Failures.unusable(known.origin, known.reason);
    }
  }

  /// Takes in that another rank aborted.
  void noteAbort(int origin, String reason) {
    abort.compareAndSet(null, new Abort(origin, reason));
  }

  /// Gives up and tells all ranks.
  void abort(String reason) {
    noteAbort(rank, reason);
    control.publishAborted(reason);
  }

  /// Gives up because of a failure, which stays the one to be thrown.
  void abortAfter(RuntimeException failure) {
    abortAfter(failure, failure.getMessage());
  }

  /// The same, in other words than the failure's.
  void abortAfter(RuntimeException failure, String reason) {
    try {
      abort(reason);
    } catch (RuntimeException e) {
      failure.addSuppressed(e);
    }
  }

  void reset() {
    abort.set(null);
  }
}
