package io.crossdock.core.spi;

import io.crossdock.core.DispatchConfig;
import io.crossdock.core.Layout;
import io.crossdock.core.Tensor;
import io.crossdock.core.protocol.CallKind;
import io.crossdock.core.protocol.Entry;
import io.crossdock.core.protocol.HandleData;
import java.lang.foreign.MemorySegment;

/// One dispatch between the public API and an engine. Mutable and reused, so that a call allocates
/// nothing.
///
/// Confined to the call.
public final class DispatchCall {
  /// Rows [tokens, H].
  public Tensor x;

  /// Scales of FP8 rows, or null.
  public Tensor scales;

  /// Choices [tokens, K], or null.
  public Tensor topkIdx;

  /// Weights [tokens, K], or null.
  public Tensor topkWeights;

  /// The layout of a fresh dispatch; null when cached.
  public Layout layout;

  /// Fresh: to be filled. Cached: the handle of the earlier dispatch.
  public HandleData handle;

  /// True for a cached dispatch.
  public boolean cached;

  /// True if rows are copied out of the window.
  public boolean owned;

  /// How the machine is used.
  public DispatchConfig config;

  /// See [io.crossdock.core.DispatchOptions#expertAlignment()].
  public int expertAlignment;

  /// See [io.crossdock.core.DispatchOptions#numWorstTokens()].
  public long numWorstTokens;

  /// Most rows the outputs take; [Long#MAX_VALUE] when they are allocated to fit.
  public long outputRows;

  /// Set by reserve: the receive window.
  public int window;

  /// Set by reserve: names the lease of the window.
  public long ticket;

  /// Set by enter: rows that arrive.
  public long numRecvRows;

  /// Set by reserve (borrowed: room for as many rows as the window holds) or by the caller (owned):
  /// received rows.
  public MemorySegment recvRows;

  /// Set likewise: received scales, or null.
  public MemorySegment recvScales;

  /// Set likewise: received choices, or null.
  public MemorySegment recvTopkIdx;

  /// Set likewise: received weights, or null.
  public MemorySegment recvTopkWeights;

  /// Makes an empty dispatch; the caller fills the fields.
  public DispatchCall() {}

  /// Fills an entry with what this rank enters the call with, but for the rows to each rank and the
  /// choices of each expert.
  ///
  /// @param entry overwritten; its first round
  /// @param capacityRows rows the window takes
  public void fillEntry(Entry entry, long capacityRows) {
    entry.kind = cached ? CallKind.CACHED_DISPATCH : CallKind.FRESH_DISPATCH;
    entry.window = window;
    entry.capacityRows = capacityRows;
    entry.outputRows = outputRows;
    entry.canRound = owned ? 1 : 0;
    entry.round = 0;
    entry.rowBytes = x.rowBytes();
    entry.dtype = x.dtype().ordinal();
    entry.scaleBytes = scales == null ? 0 : scales.rowBytes();
    entry.topk = topkIdx == null ? 0 : (int) topkIdx.size(1);
    entry.indexBytes = topkIdx == null ? 0 : topkIdx.dtype().bytes();
    entry.weights = topkWeights == null ? 0 : 1;
    entry.numExperts = cached ? handle.numExperts : layout.numExperts();
    entry.handleEpoch = cached ? handle.epoch : 0;
  }

  /// Forgets the last call.
  public void clear() {
    x = null;
    scales = null;
    topkIdx = null;
    topkWeights = null;
    layout = null;
    handle = null;
    cached = false;
    owned = false;
    window = -1;
    ticket = 0;
    numRecvRows = 0;
    outputRows = Long.MAX_VALUE;
    recvRows = null;
    recvScales = null;
    recvTopkIdx = null;
    recvTopkWeights = null;
  }
}
