package io.crossdock.core.spi;

import io.crossdock.core.CombineConfig;
import io.crossdock.core.CombineFormat;
import io.crossdock.core.Tensor;
import io.crossdock.core.protocol.LowLatencyHandleData;

/// One low-latency combine between the public API and an engine.
///
/// Confined to the call.
public final class LowLatencyCombineCall {
  /// Expert outputs BF16 [E/R, maxTok * R, H].
  public Tensor y;

  /// Choices [tokens, K].
  public Tensor topkIdx;

  /// Weights F32 [tokens, K].
  public Tensor topkWeights;

  /// Of the dispatch.
  public LowLatencyHandleData handle;

  /// How rows travel home.
  public CombineFormat format;

  /// True if `y` is the combine buffer of the handle.
  public boolean zeroCopy;

  /// BF16 [tokens, H] that receives the sums.
  public Tensor combinedX;

  /// I64 `[R]` to be overwritten, or null.
  public Tensor waitStats;

  /// True if the receive half comes with a hook, false if right behind the send half.
  public boolean hooked;

  /// How the machine is used; null for the engine's choice.
  public CombineConfig config;

  /// Set by the send half: the number of the call.
  public long epoch;

  /// Makes an empty combine; the caller fills the fields.
  public LowLatencyCombineCall() {}
}
