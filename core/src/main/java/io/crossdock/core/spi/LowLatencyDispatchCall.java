package io.crossdock.core.spi;

import io.crossdock.core.DispatchConfig;
import io.crossdock.core.LowLatencyFormat;
import io.crossdock.core.Tensor;
import io.crossdock.core.protocol.LowLatencyHandleData;
import java.lang.foreign.MemorySegment;

/// One low-latency dispatch between the public API and an engine.
///
/// Confined to the call.
public final class LowLatencyDispatchCall {
  /// BF16 rows [tokens, H].
  public Tensor x;

  /// Choices [tokens, K].
  public Tensor topkIdx;

  /// Most tokens of a rank.
  public int numMaxTokens;

  /// E.
  public int numExperts;

  /// How rows travel.
  public LowLatencyFormat format;

  /// I32 `[E/R]` to be added to, or null.
  public Tensor cumulativeRecvStats;

  /// I64 `[R]` to be overwritten, or null.
  public Tensor waitStats;

  /// True if the receive half comes with a hook, false if right behind the send half.
  public boolean hooked;

  /// How the machine is used; null for the engine's choice.
  public DispatchConfig config;

  /// To be filled; `area` and `ticket` by reserve.
  public LowLatencyHandleData handle;

  /// Set by the send half: the number of the call.
  public long epoch;

  /// Set by reserve: memory of the result, the same for all results of an area.
  public Result result;

  /// Memory of a result.
  ///
  /// Safe for any thread.
  ///
  /// @param rows [E/R, maxTok * R, H]
  /// @param scales column-major scales
  /// @param count I32 `[E/R]`
  /// @param srcInfo I32 [E/R, maxTok * R]
  /// @param layoutRange I32 [E/R, R, 2]
  public record Result(
      MemorySegment rows,
      MemorySegment scales,
      MemorySegment count,
      MemorySegment srcInfo,
      MemorySegment layoutRange) {}

  /// Makes an empty dispatch; the caller fills the fields.
  public LowLatencyDispatchCall() {}
}
