package io.crossdock.ucx;

/// Sums over all peers of a transport.
///
/// Confined to one thread at a time.
final class Traffic {
  /// Bytes handed to UCX.
  long sentBytes;

  /// Operations that are being filled or under way.
  int pending;

  /// Operations under way.
  int underWay;

  /// Messages without the token of their sender, or without a sense.
  long refusedStrangers;

  /// Messages of peers that failed a check, or came after one did.
  long refusedMessages;
}
