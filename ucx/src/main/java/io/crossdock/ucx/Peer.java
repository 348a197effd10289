package io.crossdock.ucx;

import io.crossdock.ucx.binding.Endpoint;
import io.crossdock.ucx.binding.Key;

/// What is known of one rank, and the way there.
///
/// Confined to one thread at a time, but for [#failure()].
final class Peer {
  final int rank;

  /// What it proves itself with.
  final long tokenFromThere;

  /// Number of its next message.
  long nextFromThere;

  /// Its hello has come.
  boolean heard;

  /// It has our hello.
  boolean welcomed;

  /// It waits to be told that its hello has come.
  boolean welcomeDue;

  /// What we prove ourselves with.
  long tokenForThere;

  /// Number of our next message.
  long nextForThere;

  /// Where its region lies in its process, and how large it is.
  long regionAddress;

  long regionBytes;

  /// Null until connected, and once it is given up.
  Endpoint endpoint;

  /// Null with messages.
  Key key;

  /// Null until connected.
  Slots slots;

  MessageSender messages;
  Sender puts;

  private volatile String failure;

  Peer(int rank, long tokenFromThere) {
    this.rank = rank;
    this.tokenFromThere = tokenFromThere;
  }

  String failure() {
    return failure;
  }

  boolean isAlive() {
    return failure == null;
  }

  /// Notes why nothing goes there any more; the first reason stays.
  void fail(String reason) {
    if (failure == null) {
      failure = reason;
    }
  }

  boolean isConnected() {
    return heard && welcomed && !welcomeDue && isAlive();
  }
}
