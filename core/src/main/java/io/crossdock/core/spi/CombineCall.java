package io.crossdock.core.spi;

import io.crossdock.core.CombineConfig;
import io.crossdock.core.Tensor;
import io.crossdock.core.protocol.CallKind;
import io.crossdock.core.protocol.Entry;
import io.crossdock.core.protocol.HandleData;

/// One combine between the public API and an engine. Mutable and reused, so that a call allocates
/// nothing.
///
/// Confined to the call.
public final class CombineCall {
  /// Expert outputs BF16 [n, H].
  public Tensor y;

  /// Weights to sum F32 [n, K], or null.
  public Tensor topkWeights;

  /// First bias BF16 [tokens, H], or null.
  public Tensor bias0;

  /// Second bias BF16 [tokens, H], or null.
  public Tensor bias1;

  /// The dispatch's handle.
  public HandleData handle;

  /// How the machine is used.
  public CombineConfig config;

  /// Set by reserve: the handed-out window that [#y] lies in, or -1 if y is staged.
  public int window = -1;

  /// Output BF16 [tokens, H].
  public Tensor combinedX;

  /// Output F32 [tokens, K], or null without weights.
  public Tensor combinedTopkWeights;

  /// Makes an empty combine; the caller fills the fields.
  public CombineCall() {}

  /// Fills an entry with what this rank enters a round of the call with.
  ///
  /// @param entry overwritten
  /// @param outputWindow where the peers find this round's rows
  /// @param capacityRows rows the window takes
  /// @param round 0 first
  public void fillEntry(Entry entry, int outputWindow, long capacityRows, int round) {
    entry.kind = round == 0 ? CallKind.COMBINE : CallKind.COMBINE_ROUND;
    entry.window = outputWindow;
    entry.capacityRows = capacityRows;
    entry.outputRows = Long.MAX_VALUE;
    entry.canRound = 1;
    entry.round = round;
    entry.rowBytes = y.rowBytes();
    entry.dtype = y.dtype().ordinal();
    entry.scaleBytes = 0;
    entry.topk = handle.topk;
    entry.indexBytes = 0;
    entry.weights = topkWeights == null ? 0 : 1;
    entry.numExperts = handle.numExperts;
    entry.handleEpoch = handle.epoch;
  }

  /// Forgets the last call.
  public void clear() {
    y = null;
    topkWeights = null;
    bias0 = null;
    bias1 = null;
    handle = null;
    window = -1;
    combinedX = null;
    combinedTopkWeights = null;
  }
}
