package io.crossdock.core.group;

import java.time.Duration;

/// The ranks that communicate with each other, and the small collective calls that opening a buffer needs.
///
/// Calls are collective: every rank makes the same ones in the same order. A failure of one rank reaches all.
///
/// Used by one thread at a time, except [#abort] and [#close], which are safe for any thread.
public interface ProcessGroup extends AutoCloseable {
  /// {@return this rank, 0 to size - 1}
  int rank();

  /// {@return R, the number of ranks}
  int size();

  /// {@return this rank's index on its node}
  int localRank();

  /// {@return ranks of each node}
  int localSize();

  /// {@return what connects the ranks, for example `in-process`}
  String name();

  /// {@return the bound of every wait}
  Duration timeout();

  /// Gives every rank the contributions of all.
  ///
  /// @param contribution this rank's bytes; lengths may differ between ranks
  /// @return one array per rank, by rank
  byte[][] allGather(byte[] contribution);

  /// Waits until every rank is here.
  void barrier();

  /// Makes every present and later wait of every member fail, naming this rank.
  ///
  /// @param reason why
  void abort(String reason);

  /// Leaves the group. Idempotent.
  @Override
  void close();
}
