package io.crossdock.verify.network;

import io.crossdock.ffi.LibC;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/// When and where the processes of some ranks kill themselves: somewhere inside a call.
///
/// Safe for any thread.
///
/// @param victims ranks that die
/// @param call in which they do
/// @param moment what they do then
/// @param seed of the time they have for it
record Doom(List<Integer> victims, long call, NodeRank.Moment moment, long seed) {
  private static final long END_SECONDS = 60;

  /// Lets this process die soon, if it is a victim and its time has come.
  ///
  /// @param rank of this process
  /// @param now number of the call
  /// @param next what the rank does next
  /// @param typicalNanos how long that takes
  void strike(int rank, long now, NodeRank.Moment next, long typicalNanos) {
    if (now != call || next != moment || !victims.contains(rank)) {
      return;
    }
    long nanos = new SplittableRandom(seed + rank).nextLong(Math.max(1, typicalNanos));
    Thread.ofPlatform()
        .daemon()
        .name("doom")
        .start(() -> {
          LockSupport.parkNanos(nanos);
          LibC.signal(ProcessHandle.current().pid(), LibC.SIGKILL);
        });
  }

  /// Waits for the death of this process, if it is a victim.
  ///
  /// @param rank of this process
  void awaitDeath(int rank) throws InterruptedException {
    if (victims.contains(rank) && !new CountDownLatch(1).await(END_SECONDS, TimeUnit.SECONDS)) {
      throw new AssertionError("victim lives: rank=" + rank + ", doom=" + this);
    }
  }
}
