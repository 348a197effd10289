package io.crossdock.core.protocol;

/// What the ranks of a low-latency call must agree on. Travels with each source's flag.
///
/// Mutable and reused, so that a call allocates nothing.
///
/// Confined to the thread that runs the call.
public final class LowLatencyTerms {
  /// Which call.
  public LowLatencyKind kind = LowLatencyKind.CLEAN;

  /// Ordinal of the row format.
  public int format;

  /// E.
  public int numExperts;

  /// Most tokens of a rank.
  public int numMaxTokens;

  /// The epoch of the dispatch that a combine goes along, else 0.
  public long handleEpoch;

  /// Makes terms to be filled.
  public LowLatencyTerms() {}

  /// {@return true if both are the same}
  ///
  /// @param other a peer's
  public boolean agrees(LowLatencyTerms other) {
    return kind == other.kind
        && format == other.format
        && numExperts == other.numExperts
        && numMaxTokens == other.numMaxTokens
        && handleEpoch == other.handleEpoch;
  }

  /// {@return the terms as facts}
  @Override
  public String toString() {
    return kind
        + "(format="
        + format
        + ", numExperts="
        + numExperts
        + ", numMaxTokens="
        + numMaxTokens
        + ", handleEpoch="
        + handleEpoch
        + ")";
  }
}
