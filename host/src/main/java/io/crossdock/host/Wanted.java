package io.crossdock.host;

/// What a wait of low-latency mode is for.
///
/// Confined to the thread that runs the call.
interface Wanted {
  /// Takes in what is there by now.
  void look(long waitedNanos);

  /// {@return a peer that is still waited for, or -1}
  int next();

  Phase phase();

  long expected();

  long seen(int peer);

  /// {@return true if this peer is still waited for}
  boolean awaits(int peer);

  /// Does without a peer.
  void giveUp(int peer);
}
