package io.crossdock.core.spi;

import io.crossdock.core.CombineConfig;
import io.crossdock.core.Tensor;
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
