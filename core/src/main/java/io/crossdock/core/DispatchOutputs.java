package io.crossdock.core;

import io.crossdock.core.protocol.HandleData;
import java.util.Optional;

/// Preallocated outputs for [EpBuffer#dispatchInto]: a dispatch into them allocates nothing.
///
/// Confined to the thread that uses the buffer.
public final class DispatchOutputs {
  private final Tensor recvX;
  private final Optional<Tensor> recvScales;
  private final Optional<Tensor> recvTopkIdx;
  private final Optional<Tensor> recvTopkWeights;
  private final HandleData data;
  private final DispatchHandle handle;

  DispatchOutputs(DispatchResult.Outputs tensors, EpBuffer owner, HandleData data) {
    this.recvX = tensors.recvX();
    this.recvScales = tensors.recvScales();
    this.recvTopkIdx = tensors.recvTopkIdx();
    this.recvTopkWeights = tensors.recvTopkWeights();
    this.data = data;
    this.handle = new DispatchHandle(owner, data, EventOverlap.COMPLETED, EventOverlap.COMPLETED);
  }

  /// {@return rows [capacity, H]; the first [#numRecvTokens()] are valid}
  public Tensor recvX() {
    return recvX;
  }

  /// {@return scales [capacity, ..] of FP8 rows}
  public Optional<Tensor> recvScales() {
    return recvScales;
  }

  /// {@return local expert indices [capacity, K]}
  public Optional<Tensor> recvTopkIdx() {
    return recvTopkIdx;
  }

  /// {@return weights [capacity, K]}
  public Optional<Tensor> recvTopkWeights() {
    return recvTopkWeights;
  }

  /// {@return rows that arrived in the last dispatch}
  public long numRecvTokens() {
    data.materialise();
    return data.numRecvRows();
  }

  /// {@return the handle of the last dispatch into these outputs; overwritten by the next}
  public DispatchHandle handle() {
    return handle;
  }
}
