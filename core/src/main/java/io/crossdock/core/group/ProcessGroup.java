package io.crossdock.core.group;

import io.crossdock.core.ConcurrentUseException;
import io.crossdock.core.InvalidInputException;
import java.time.Duration;

/// The ranks of one job and the collectives they need to start: all-gather of bytes and barrier.
///
/// Collectives are called by all ranks in the same order. The first failure of any member (a rank
/// that does not arrive, a broken connection, an abort, two ranks in different collectives) ends
/// the group: it is thrown by every present and later collective of every member, naming the ranks
/// it is about. There is no way back from a failure except a new group.
///
/// Any thread may call, one collective at a time; `abort` and `close` are safe for any thread at
/// any moment.
public interface ProcessGroup extends AutoCloseable {
  /// Bound of every wait unless the caller chose another.
  Duration DEFAULT_TIMEOUT = Duration.ofMinutes(5);

  /// Largest contribution to one all-gather, in bytes.
  int MAX_CONTRIBUTION_BYTES = 64 << 20;

  /// This participant.
  ///
  /// @return the rank, `0 <= rank < size`
  int rank();

  /// The number of participants.
  ///
  /// @return the number of ranks, at least 1
  int size();

  /// The index of this rank among the ranks of its node; `rank % localSize`.
  ///
  /// @return the local rank, `0 <= localRank < localSize`
  int localRank();

  /// The number of ranks of each node; it divides `size`.
  ///
  /// @return the number of local ranks, the same on every node
  int localSize();

  /// Whether all ranks are known to be on this machine, whatever nodes they say they are on: then
  /// nobody else needs to reach them.
  ///
  /// @return false if some may be elsewhere
  default boolean isOnOneMachine() {
    return false;
  }

  /// How the members reach each other, for messages: `in-process` or `tcp [::1]:29500`.
  ///
  /// @return a short description
  String name();

  /// The bound of every wait of this member.
  ///
  /// @return the timeout
  Duration timeout();

  /// Gives every rank the contributions of all ranks. Lengths may differ and may be 0.
  ///
  /// @param contribution the bytes of this rank, at most [#MAX_CONTRIBUTION_BYTES]; not changed and
  ///   not kept
  /// @return one array per rank, index = rank, owned by the caller
  /// @throws InvalidInputException when the contribution is too large; nothing was sent
  /// @throws ConcurrentUseException when another thread is in a collective of this member
  /// @throws GroupException when the group failed, was closed, or the thread was interrupted
  byte[][] allGather(byte[] contribution);

  /// Returns when every rank has called it.
  ///
  /// @throws ConcurrentUseException when another thread is in a collective of this member
  /// @throws GroupException when the group failed, was closed, or the thread was interrupted
  void barrier();

  /// Ends the group: every present and later collective of every member throws
  /// [GroupAbortedException] with this rank and the reason. Does nothing on a group that has
  /// already failed or is closed.
  ///
  /// @param reason why; cut to 1000 characters
  void abort(String reason);

  /// Leaves the group and stops its threads, in bounded time. What this rank already sent still
  /// arrives; a collective that others start afterwards fails with [PeerLostException]. A thread
  /// that waits in a collective of this member gets a [GroupClosedException]. Idempotent.
  @Override
  void close();
}
