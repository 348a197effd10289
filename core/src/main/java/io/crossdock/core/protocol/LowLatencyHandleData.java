package io.crossdock.core.protocol;

/// What a low-latency dispatch leaves for its combine, as far as the host knows it. An engine that
/// keeps more has a subclass.
///
/// Confined to the thread that runs the call.
public class LowLatencyHandleData {
  /// The epoch of the dispatch: equal on all ranks.
  public long epoch;

  /// Tokens this rank sent.
  public int numTokens;

  /// K.
  public int topk;

  /// E.
  public int numExperts;

  /// Most tokens of a rank: decides the shape of results.
  public int numMaxTokens;

  /// The result area that holds the rows, and the lease of it.
  public int area = -1;

  /// Names the lease of the area.
  public long ticket;

  /// Makes an empty handle.
  public LowLatencyHandleData() {}

  /// {@return the epoch; an engine that has it on a device brings it}
  public long readEpoch() {
    return epoch;
  }
}
