package io.crossdock.verify.harness;

import io.crossdock.core.group.GroupAbortedException;
import io.crossdock.core.group.GroupOptions;
import io.crossdock.core.group.InProcessGroup;
import io.crossdock.core.group.ProcessGroup;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/// Ranks as threads of the test's own process.
public final class RankThreads {
  private static final Duration TIMEOUT = Duration.ofSeconds(60);

  private RankThreads() {}

  /// Runs a body on every rank and throws what the first failing rank threw, the others'
  /// suppressed. A rank that only heard of another's failure comes last.
  ///
  /// @param numRanks R
  /// @param body of each rank
  public static void run(int numRanks, RankBody body) throws Exception {
    run(numRanks, GroupOptions.defaults().withTimeout(TIMEOUT), body);
  }

  /// Runs a body on every rank of a group with options; gives up after twice its timeout, but not
  /// within a minute.
  ///
  /// @param numRanks R
  /// @param options of the group
  /// @param body of each rank
  public static void run(int numRanks, GroupOptions options, RankBody body) throws Exception {
    List<ProcessGroup> groups = InProcessGroup.create(numRanks, options);
    try (ExecutorService threads =
        Executors.newFixedThreadPool(
            numRanks, Thread.ofPlatform().daemon().name("rank-", 0).factory())) {
      List<Future<?>> ranks = new ArrayList<>();
      for (ProcessGroup group : groups) {
        ranks.add(threads.submit(() -> runRank(group, body)));
      }
      join(ranks, groups, options.timeout().multipliedBy(2));
    }
  }

  private static Void runRank(ProcessGroup group, RankBody body) throws Exception {
    try {
      body.run(group);
      return null;
    } catch (Exception | Error e) {
      group.abort("rank failed: " + e);
      throw e;
    }
  }

  private static void join(List<Future<?>> ranks, List<ProcessGroup> groups, Duration timeout)
      throws Exception {
    List<Throwable> failures = new ArrayList<>();
    for (int rank = 0; rank < ranks.size(); rank++) {
      Throwable failure = failureOf(ranks.get(rank), rank, timeout);
      if (failure != null) {
        failures.add(failure);
      }
    }
    groups.forEach(ProcessGroup::close);
    failures.sort(Comparator.comparing(GroupAbortedException.class::isInstance));
    if (failures.isEmpty()) {
      return;
    }
    Throwable first = failures.removeFirst();
    failures.forEach(first::addSuppressed);
    if (first instanceof Error error) {
      throw error;
    }
    if (first instanceof Exception exception) {
      throw exception;
    }
  }

  private static Throwable failureOf(Future<?> rank, int index, Duration timeout)
      throws InterruptedException {
    try {
      rank.get(Math.max(TIMEOUT.toSeconds(), timeout.toSeconds()), TimeUnit.SECONDS);
      return null;
    } catch (ExecutionException e) {
      return e.getCause();
    } catch (TimeoutException e) {
      rank.cancel(true);
      return new AssertionError("rank hangs: rank=" + index, e);
    }
  }
}
