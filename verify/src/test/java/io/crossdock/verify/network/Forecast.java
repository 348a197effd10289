package io.crossdock.verify.network;

import java.time.Duration;

/// What kind of network the test transport is.
///
/// Safe for any thread.
///
/// @param puts who writes into the target's region
/// @param mostDelay of a part of a put, of a signal, of a connection
/// @param seed of all that is drawn
public record Forecast(Puts puts, Duration mostDelay, long seed) {
  /// Who writes into the target's region.
  public enum Puts {
    /// The target, while it makes progress: as over TCP.
    EMULATED,
    /// A thread of the network, whatever the target does; the target is not woken: as with RDMA.
    REMOTE
  }

  /// {@return this network with other puts}
  ///
  /// @param other who writes
  public Forecast withPuts(Puts other) {
    return new Forecast(other, mostDelay, seed);
  }

  /// {@return this network with another seed}
  ///
  /// @param other the seed
  public Forecast withSeed(long other) {
    return new Forecast(puts, mostDelay, other);
  }
}
