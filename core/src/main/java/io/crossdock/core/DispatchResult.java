package io.crossdock.core;

import java.util.Optional;

/// What one rank received. Rows are ordered by source rank, then by source token index.
///
/// With borrowed placement the tensors are views of a receive window, leased until [#close()]. With
/// owned placement they are the caller's memory and closing does nothing. The handle outlives both.
///
/// Confined to the thread that uses the buffer, except [#close()], which is safe for any thread.
public final class DispatchResult implements AutoCloseable {
  private final Outputs outputs;
  private final DispatchHandle handle;
  private final EventOverlap event;
  private final Runnable lease;

  /// The tensors of a result.
  ///
  /// Safe for any thread.
  ///
  /// @param recvX [n, H], dtype of the rows sent
  /// @param recvScales of FP8 rows, F32 [n, H/128] or I32 [n, ceil(H/512)]
  /// @param recvTopkIdx [n, K] local expert index or -1, dtype of the indices sent
  /// @param recvTopkWeights F32 [n, K], 0 where the index is -1
  record Outputs(
      Tensor recvX,
      Optional<Tensor> recvScales,
      Optional<Tensor> recvTopkIdx,
      Optional<Tensor> recvTopkWeights) {}

  DispatchResult(Outputs outputs, DispatchHandle handle, EventOverlap event, Runnable lease) {
    this.outputs = outputs;
    this.handle = handle;
    this.event = event;
    this.lease = lease;
  }

  /// {@return received rows [n, H]; n is `numWorstTokens` if given}
  public Tensor recvX() {
    return outputs.recvX;
  }

  /// {@return scales of FP8 rows}
  public Optional<Tensor> recvScales() {
    return outputs.recvScales;
  }

  /// {@return local expert indices [n, K], -1 where that choice lives elsewhere; empty without
  /// top-k}
  public Optional<Tensor> recvTopkIdx() {
    return outputs.recvTopkIdx;
  }

  /// {@return gate weights F32 [n, K], 0 where the index is -1; empty without weights}
  public Optional<Tensor> recvTopkWeights() {
    return outputs.recvTopkWeights;
  }

  /// {@return rows that arrived}
  public long numRecvTokens() {
    return handle.numRecvTokens();
  }

  /// {@return rows of each local expert, rounded up to the alignment; empty with `numWorstTokens`}
  public int[] tokensPerLocalExpert() {
    return handle.tokensPerLocalExpert();
  }

  /// {@return what combine and cached dispatch consume}
  public DispatchHandle handle() {
    return handle;
  }

  /// {@return complete when the tensors are}
  public EventOverlap event() {
    return event;
  }

  /// Waits for the event and ends the lease of a borrowed result. Idempotent.
  @Override
  public void close() {
    try {
      event.close();
    } finally {
      lease.run();
    }
  }
}
