package io.crossdock.core;

import java.util.Optional;

/// What one rank received in a low-latency dispatch: a lease of one of the buffer's two result
/// areas, until it is closed. Rows of an expert are packed from 0, ordered by source rank, then by
/// source token index; rows behind [#recvCount()] hold anything.
///
/// Confined to the thread that uses the buffer.
public final class LowLatencyDispatchResult implements AutoCloseable {
  private final Outputs outputs;
  private final LowLatencyHandle handle;
  private final EventOverlap event;
  private final Optional<RecvHook> recvHook;
  private final Runnable lease;

  /// The tensors of a result.
  ///
  /// Safe for any thread.
  record Outputs(Tensor recvX, Optional<Tensor> recvScales, Tensor recvCount) {}

  /// How a result gets complete.
  ///
  /// Safe for any thread.
  record Completing(EventOverlap event, Optional<RecvHook> recvHook) {}

  LowLatencyDispatchResult(
      Outputs outputs, LowLatencyHandle handle, Completing completing, Runnable lease) {
    this.outputs = outputs;
    this.handle = handle;
    this.event = completing.event;
    this.recvHook = completing.recvHook;
    this.lease = lease;
  }

  /// {@return FP8_E4M3 or BF16 [E/R, numMaxTokensPerRank * R, H]}
  public Tensor recvX() {
    return outputs.recvX;
  }

  /// {@return scales of FP8 rows: F32 [E/R, numMaxTokensPerRank * R, H/128], or UE8M0 packed into
  /// I32 [E/R, numMaxTokensPerRank * R, ceil(H/512)]; the last two dimensions are column-major}
  public Optional<Tensor> recvScales() {
    return outputs.recvScales;
  }

  /// {@return I32 `[E/R]`: rows of each local expert}
  public Tensor recvCount() {
    return outputs.recvCount;
  }

  /// {@return what combine consumes}
  public LowLatencyHandle handle() {
    return handle;
  }

  /// {@return complete when the tensors are; with a hook, when the send half is}
  public EventOverlap event() {
    return event;
  }

  /// {@return the receive half, if the call was asked for a hook}
  public Optional<RecvHook> recvHook() {
    return recvHook;
  }

  /// Ends the lease: the memory belongs to a later dispatch. Waits for the event; if a hook did not
  /// run yet, the lease ends when it did. Idempotent.
  @Override
  public void close() {
    try {
      event.close();
    } finally {
      recvHook.ifPresentOrElse(hook -> hook.whenDone(lease), lease);
    }
  }
}
