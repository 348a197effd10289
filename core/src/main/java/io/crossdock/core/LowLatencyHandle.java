package io.crossdock.core;

import io.crossdock.core.protocol.LowLatencyHandleData;

/// What a low-latency dispatch remembers for its combine.
///
/// Its tensors lie with the result of the dispatch and are complete when that is; after the result
/// is closed they must not be read. A combine needs none of them.
///
/// Closing a handle lets its arrays be reused by a later dispatch; a handle that is never closed is
/// simply garbage-collected.
///
/// Confined to the thread that uses the buffer.
public final class LowLatencyHandle implements AutoCloseable {
  private final EpBuffer owner;
  private final LowLatencyHandleData data;
  private final Tensor srcInfo;
  private final Tensor layoutRange;
  private boolean closed;

  LowLatencyHandle(EpBuffer owner, LowLatencyHandleData data, Tensor srcInfo, Tensor layoutRange) {
    this.owner = owner;
    this.data = data;
    this.srcInfo = srcInfo;
    this.layoutRange = layoutRange;
  }

  /// {@return the number of the call, equal on all ranks}
  public long epoch() {
    return data.epoch;
  }

  /// {@return tokens this rank sent}
  public int numTokens() {
    return data.numTokens;
  }

  /// {@return E of the dispatch}
  public int numExperts() {
    return data.numExperts;
  }

  /// {@return the most tokens of a rank, as the dispatch was told}
  public int numMaxTokensPerRank() {
    return data.numMaxTokens;
  }

  /// {@return I32 [E/R, numMaxTokensPerRank * R]: the source token index of each received row}
  public Tensor srcInfo() {
    return srcInfo;
  }

  /// {@return I32 [E/R, R, 2]: where the rows of a source begin at a local expert, and how many
  /// there are}
  public Tensor layoutRange() {
    return layoutRange;
  }

  /// Lets the arrays be reused. Idempotent; every call along the handle is over by then, hooks
  /// included, and it must not be used any more.
  @Override
  public void close() {
    if (!closed) {
      closed = true;
      owner.recycle(data);
    }
  }

  LowLatencyHandleData data(EpBuffer user) {
    if (user != owner) {
      throw new InvalidInputException("handle belongs to another buffer: epoch=" + data.epoch);
    }
    if (closed) {
      throw new InvalidInputException("handle is closed: epoch=" + data.epoch);
    }
    return data;
  }
}
