package io.crossdock.core;

import io.crossdock.core.protocol.HandleData;
import java.util.Arrays;

/// What a dispatch remembers, for combine and cached dispatch. Plain data that outlives the result.
///
/// Closing a handle lets its arrays be reused by a later dispatch; a handle that is never closed is
/// simply garbage-collected.
///
/// Reading waits for what is not there yet: after an asynchronous dispatch with `numWorstTokens`
/// for the dispatch itself, else only the source of a row does.
///
/// On a GPU what was not read yet lies there, and is gone when the buffer is closed: sources of
/// rows, and with `numWorstTokens` the counts too.
///
/// Safe for any thread to read.
public final class DispatchHandle implements AutoCloseable {
  private final EpBuffer owner;
  private final HandleData data;
  private final EventOverlap counted;
  private final EventOverlap placed;
  private boolean closed;

  /// Creates a handle.
  ///
  /// @param counted complete when everything but the sources is filled in
  /// @param placed complete when the sources are, too
  DispatchHandle(EpBuffer owner, HandleData data, EventOverlap counted, EventOverlap placed) {
    this.owner = owner;
    this.data = data;
    this.counted = counted;
    this.placed = placed;
  }

  /// {@return the epoch of the dispatch, equal on all ranks}
  public long epoch() {
    return read().epoch;
  }

  /// {@return tokens this rank sent}
  public int numTokens() {
    return open().numTokens();
  }

  /// {@return rows this rank received}
  public long numRecvTokens() {
    return read().numRecvRows();
  }

  /// {@return rows of expert outputs that combine expects: `numWorstTokens` if given, else the
  /// received rows}
  public long numOutputRows() {
    HandleData handle = open();
    return handle.worstRows > 0 ? handle.worstRows : read().numRecvRows();
  }

  /// {@return K of the dispatch; 0 if it had no top-k}
  public int topk() {
    return open().topk;
  }

  /// {@return E of the dispatch}
  public int numExperts() {
    return open().numExperts;
  }

  /// Rank prefix matrix: rows that ranks 0 to `source` send to `destination`. The rows from
  /// `source` lie from `rankPrefix(source - 1, destination)` to `rankPrefix(source, destination)`.
  ///
  /// @param source source rank
  /// @param destination destination rank
  /// @return rows
  public long rankPrefix(int source, int destination) {
    return read().prefix(source, destination);
  }

  /// {@return the source token index of a received row}
  ///
  /// @param row 0 to [#numRecvTokens()] - 1
  public int sourceTokenIdx(long row) {
    checkRow(row);
    placed.currentStreamWait();
    return data.sourceTokenIdx(Math.toIntExact(row));
  }

  /// {@return the rank a received row came from}
  ///
  /// @param row 0 to [#numRecvTokens()] - 1
  public int sourceRank(long row) {
    checkRow(row);
    int source = 0;
    while (data.prefix(source, data.rank) <= row) {
      source++;
    }
    return source;
  }

  /// {@return rows of each local expert, rounded up to the alignment; empty with `numWorstTokens`}
  public int[] tokensPerLocalExpert() {
    int[] counts = open().tokensPerLocalExpert;
    return Arrays.copyOf(counts, counts.length);
  }

  /// Lets the arrays be reused. Idempotent; the handle must not be used any more.
  @Override
  public void close() {
    if (!closed) {
      closed = true;
      owner.recycle(data);
    }
  }

  HandleData data(EpBuffer user) {
    if (user != owner) {
      throw new InvalidInputException("handle belongs to another buffer: epoch=" + data.epoch);
    }
    return open();
  }

  private HandleData open() {
    if (closed) {
      throw new InvalidInputException("handle is closed: epoch=" + data.epoch);
    }
    counted.currentStreamWait();
    return data;
  }

  /// What an engine left on a device is brought to the host.
  private HandleData read() {
    HandleData handle = open();
    handle.materialise();
    return handle;
  }

  private void checkRow(long row) {
    if (row < 0 || row >= read().numRecvRows()) {
      throw new InvalidInputException(
          "row out of range: row=" + row + ", numRecvTokens=" + data.numRecvRows());
    }
  }
}
