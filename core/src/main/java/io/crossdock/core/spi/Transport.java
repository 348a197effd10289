package io.crossdock.core.spi;

/// One rank's way into the memory of ranks on other nodes: it writes into a region that each peer
/// offered, and never reads.
///
/// To one peer, a [#signal] becomes visible after all puts and signals that were made before it.
/// Puts between two signals may land in any order and in parts. Between peers there is no order.
///
/// A transport that needs work at the target does it in [#progress()], so every rank must make
/// progress also while it has nothing to send.
///
/// Confined to one thread at a time: callers share a lock. [#await] and [#wake()] are safe for any
/// thread and need no lock, but [#close()] must come after they returned.
public interface Transport extends AutoCloseable {
  /// {@return what carries the bytes, for people: library, version, network, kind of puts}
  String description();

  /// {@return what a peer needs to write to this rank's region; secret, so it travels through the
  /// group alone}
  byte[] offer();

  /// Begins to connect to a peer. Both sides do. Nothing may be put before [#isConnected].
  ///
  /// @param peer a rank of another node
  /// @param offer that rank's [#offer()]
  void connect(int peer, byte[] offer);

  /// {@return true once puts to a peer and from it reach their target; to be asked between calls of
  /// [#progress()]}
  ///
  /// @param peer a rank
  boolean isConnected(int peer);

  /// Writes pieces of memory side by side into a peer's region. Their bytes must not change until
  /// [#pending()] is 0. Does nothing once the peer failed. Waits, making progress and no longer
  /// than the time-out, while more is under way to the peer than there is room for; so does
  /// [#signal].
  ///
  /// @param peer a connected rank
  /// @param remoteOffset where in its region
  /// @param pieces what; taken in before this returns, so the list may be used again
  void put(int peer, long remoteOffset, Pieces pieces);

  /// Stores a 64-bit number in a peer's region, with release, after all that was put there before.
  /// Does nothing once the peer failed.
  ///
  /// @param peer a connected rank
  /// @param remoteOffset where in its region; a multiple of 8
  /// @param value the number
  void signal(int peer, long remoteOffset, long value);

  /// {@return operations whose source memory is still needed; 0 means that all may change}
  int pending();

  /// {@return operations to one peer whose source memory is still needed}
  ///
  /// @param peer a rank of another node
  int pending(int peer);

  /// {@return bytes side by side in memory that one operation to a peer carries at most; more take
  /// more operations. [Long#MAX_VALUE] if one carries any number}
  ///
  /// @param peer a connected rank
  default long operationBytes(int peer) {
    return Long.MAX_VALUE;
  }

  /// Does without a peer from now on, as if it had failed. What is under way there ends in later
  /// calls of [#progress()], sent or not. Does nothing if it failed before.
  ///
  /// @param peer a rank of another node
  /// @param reason what [#failure] tells
  void giveUp(int peer, String reason);

  /// Moves what is under way, without waiting.
  ///
  /// @return true if something happened
  boolean progress();

  /// Waits until there may be something to do in [#progress()], or [#wake()] was called.
  ///
  /// @param nanos at most
  void await(long nanos);

  /// Ends an [#await], the current one or else the next.
  void wake();

  /// {@return why a peer cannot be reached any more and nothing from it is taken in; null while it
  /// can}
  ///
  /// @param peer a rank
  String failure(int peer);

  /// {@return bytes handed to the network for peers so far, headers of this transport included}
  long sentBytes();

  /// Ends all connections, waiting no longer than bounded time for peers. Idempotent.
  @Override
  void close();

  /// {@return true if neither this transport nor a peer touches any more the region, nor memory
  /// that was put from; asked after [#close()]. Where that ended in time but something is still
  /// under way, false: such memory must stay until the process ends}
  default boolean hasLetGo() {
    return true;
  }
}
