package io.crossdock.ucx;

import io.crossdock.ffi.WatchedSockets;
import io.crossdock.ucx.binding.Endpoint;
import io.crossdock.ucx.binding.Operation;
import io.crossdock.ucx.binding.Status;
import io.crossdock.ucx.binding.Worker;
import java.lang.foreign.Arena;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;

/// Ends connections: of peers that failed at once, of all others with a farewell. Every wait is
/// bounded.
///
/// Confined to one thread at a time.
final class Shutdown {
  private static final Duration LONGEST_FAREWELL = Duration.ofSeconds(2);
  private static final Duration LONGEST_CLOSE = Duration.ofSeconds(2);

  private final Worker worker;
  private final Peer[] peers;
  private final Arena arena;
  private final List<Operation> closing = new ArrayList<>();

  Shutdown(Worker worker, Peer[] peers, Arena arena) {
    this.worker = worker;
    this.peers = peers;
    this.arena = arena;
  }

  /// Begins to close the endpoints of failed peers: what is under way to them ends. Over TCP, UCX
  /// says so to the peer in a loop that ends when the peer takes something in, or with the
  /// connection.
  void giveUpFailed(Duration timeout) {
    WatchedSockets.limitFull(worker.file(), timeout);
    for (Peer peer : peers) {
      if (!peer.isAlive()) {
        beginClose(peer);
      }
    }
    closing.removeIf(Shutdown::hasEnded);
  }

  private void beginClose(Peer peer) {
    Endpoint endpoint = peer.endpoint;
    if (endpoint == null) {
      return;
    }
    peer.endpoint = null;
    Operation operation = new Operation(arena);
    // A status other than OK means that there is nothing left to close.
    if (operation.close(endpoint) == Status.OK && operation.isUnderWay()) {
      closing.add(operation);
    }
  }

  private static boolean hasEnded(Operation operation) {
    return operation.poll() != Status.IN_PROGRESS;
  }

  /// Waits until each peer that began to connect has done so, since UCX 1.13 ends the process of a
  /// peer that is left half connected; then sends what is left, a farewell behind it. A peer that
  /// took in so little that there is no room for one is left without.
  void sayFarewell(BooleanSupplier progress, Traffic traffic, Duration timeout) {
    long deadline = deadline(timeout, LONGEST_FAREWELL);
    while (!areConnected() && isBefore(deadline)) {
      idleUnless(progress.getAsBoolean());
    }
    for (Peer peer : peers) {
      if (peer.isConnected() && peer.endpoint != null && peer.messages.canTell()) {
        peer.messages.tell(Frame.FAREWELL, 0, 0);
      }
    }
    Operation flush = new Operation(arena);
    boolean flushes = flush.flush(worker) == Status.OK && flush.isUnderWay();
    while ((traffic.pending > 0 || flushes) && isBefore(deadline)) {
      idleUnless(progress.getAsBoolean());
      flushes = flushes && !hasEnded(flush);
    }
    if (flushes) {
      closing.add(flush);
    }
  }

  private boolean areConnected() {
    for (Peer peer : peers) {
      if (peer.endpoint != null && peer.isAlive() && !peer.isConnected()) {
        return false;
      }
    }
    return true;
  }

  /// Closes all endpoints.
  ///
  /// @return false if one did not end in time, so that UCX may still use memory
  boolean closeEndpoints(Duration timeout) {
    // Nothing is waited for any more.
    WatchedSockets.shutFull(worker.file());
    for (Peer peer : peers) {
      beginClose(peer);
    }
    long deadline = deadline(timeout, LONGEST_CLOSE);
    while (!isQuiet() && isBefore(deadline)) {
      idleUnless(worker.progress());
      closing.removeIf(Shutdown::hasEnded);
      reap();
    }
    boolean isQuiet = isQuiet();
    for (Peer peer : peers) {
      if (isQuiet && peer.key != null) {
        peer.key.close();
      }
    }
    return isQuiet;
  }

  private void reap() {
    for (Peer peer : peers) {
      if (peer.slots != null) {
        // How they end is of no interest any more.
        peer.slots.reap();
      }
    }
  }

  private boolean isQuiet() {
    boolean quiet = closing.isEmpty();
    for (Peer peer : peers) {
      quiet &= peer.slots == null || peer.slots.numUnderWay() == 0;
    }
    return quiet;
  }

  private static void idleUnless(boolean moved) {
    if (!moved) {
      Thread.yield();
    }
  }

  private static long deadline(Duration timeout, Duration longest) {
    Duration bound = timeout.compareTo(longest) < 0 ? timeout : longest;
    return System.nanoTime() + bound.toNanos();
  }

  private static boolean isBefore(long deadline) {
    return System.nanoTime() - deadline < 0;
  }
}
