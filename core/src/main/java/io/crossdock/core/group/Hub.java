package io.crossdock.core.group;

import java.util.concurrent.CompletableFuture;

/// Where the contributions of all ranks meet, as a member sees it: in its own process or at the far
/// end of a connection. No method waits.
///
/// Safe for any thread.
interface Hub {
  /// Adds a rank's contribution to the collective under way, or starts one.
  ///
  /// @param rank who contributes
  /// @param phase which collective
  /// @param contribution the bytes; belongs to the hub from now on
  /// @param bound when the rank stops waiting; the hub's verdict comes a little earlier
  /// @return completes with all contributions, or with null when the group failed first
  CompletableFuture<byte[][]> deposit(
      int rank, GroupPhase phase, byte[] contribution, Deadline bound);

  /// The bound of a rank's deposit passed and nothing came: makes sure that the group has failed,
  /// unless the contributions did arrive in the last moment.
  void overdue(int rank);

  /// Ends the group for all members. Only the first failure counts.
  void fail(GroupFailure why);

  /// A rank leaves in good order: it is missed only in collectives it has not contributed to.
  void leave(int rank);

  /// {@return the failure that ended the group, or null}
  GroupFailure failure();
}
