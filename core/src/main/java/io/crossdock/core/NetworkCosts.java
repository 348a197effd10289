package io.crossdock.core;

/// What the network between nodes gives when nothing else is done: the limit that dispatch and
/// combine are compared with. All ranks at once put as many rows as they do, chunk by chunk, with
/// one signal behind all.
///
/// Safe for any thread.
///
/// @param roundNanos median time until all rows of a load arrived here
/// @param signalNanos median of half a round trip of 8 bytes and a signal behind them, between rank
///   0 and the rank of its rail on the next node; 0 on other ranks
/// @param signalTailNanos 99th percentile of the same
public record NetworkCosts(double roundNanos, double signalNanos, double signalTailNanos) {
  /// Measures the network of a buffer. Collective, between calls.
  ///
  /// @param buffer of several nodes
  /// @param load what is sent
  /// @return what it takes here
  /// @throws EngineUnavailableException if the engine has no network
  public static NetworkCosts measure(EpBuffer buffer, NetworkLoad load) {
    NetworkCosts[] costs = new NetworkCosts[1];
    buffer.claimed(() -> {
      buffer.group().barrier();
      costs[0] = buffer.session().networkCosts(load);
      buffer.group().barrier();
    });
    return costs[0];
  }
}
