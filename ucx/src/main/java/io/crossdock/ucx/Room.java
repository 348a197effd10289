package io.crossdock.ucx;

/// Waits, bounded, for operations to a peer to end, and tells of the end of a peer.
///
/// Confined to one thread at a time.
interface Room {
  /// Makes progress until a slot of a peer is free or it failed.
  void awaitFree(Peer peer);

  /// Gives a peer up.
  void fail(Peer peer, String reason);
}
