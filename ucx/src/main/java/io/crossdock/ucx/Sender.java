package io.crossdock.ucx;

import io.crossdock.core.spi.Pieces;

/// Brings bytes and numbers into one peer's region.
///
/// Confined to one thread at a time.
sealed interface Sender permits MessageSender, PutSender {
  /// As [io.crossdock.core.spi.Transport#put].
  void put(long remoteOffset, Pieces pieces);

  /// As [io.crossdock.core.spi.Transport#signal].
  void signal(long remoteOffset, long value);

  /// Sends what waits for more to come.
  ///
  /// @return true if there was something
  boolean push();

  /// Drops what waits for more to come, since the peer failed.
  void drop();
}
