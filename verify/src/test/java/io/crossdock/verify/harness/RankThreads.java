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

  /// Below the bound of [OnCuda], so that the hanging rank is named.
  private static final Duration GPU_BOUND = Duration.ofSeconds(50);

  private RankThreads() {}

  /// Runs a body on every rank and throws what the first failing rank threw, the others'
  /// suppressed. A rank that only heard of another's failure comes last.
  ///
  /// @param numRanks R
  /// @param body of each rank
  public static void run(int numRanks, RankBody body) throws Exception {
    Duration timeout = EngineUnderTest.isCuda() ? GPU_BOUND.dividedBy(2) : TIMEOUT;
    run(numRanks, GroupOptions.defaults().withTimeout(timeout), body);
  }

  /// Runs a body on every rank of a group with options; gives up after twice its timeout, but not
  /// within a minute, or on a GPU within a little less. A rank that hangs is left behind, and where
  /// it hangs is told.
  ///
  /// @param numRanks R
  /// @param options of the group
  /// @param body of each rank
  public static void run(int numRanks, GroupOptions options, RankBody body) throws Exception {
    Duration longest = options.timeout().multipliedBy(2);
    boolean usual = EngineUnderTest.isCuda() || longest.compareTo(TIMEOUT) < 0;
    run(numRanks, options, usual ? bound() : longest, body);
  }

  /// Runs a body on every rank of a group with options and a bound. Unless the options tell of
  /// several nodes, [NodesUnderTest] divides the ranks.
  ///
  /// @param numRanks R
  /// @param options of the group
  /// @param bound of all ranks together
  /// @param body of each rank
  public static void run(int numRanks, GroupOptions options, Duration bound, RankBody body)
      throws Exception {
    boolean told = options.numNodes() > 1;
    GroupOptions divided = told ? options : options.withNumNodes(NodesUnderTest.nodesOf(numRanks));
    List<ProcessGroup> groups = InProcessGroup.create(numRanks, divided);
    Thread[] running = new Thread[numRanks];
    ExecutorService threads =
        Executors.newFixedThreadPool(
            numRanks, Thread.ofPlatform().daemon().name("rank-", 0).factory());
    try {
      List<Future<?>> ranks = new ArrayList<>();
      for (ProcessGroup group : groups) {
        ranks.add(
            threads.submit(() -> {
              running[group.rank()] = Thread.currentThread();
              return runRank(group, body);
            }));
      }
      join(new Ranks(ranks, groups, running), bound);
    } finally {
      threads.shutdownNow();
    }
  }

  private static Duration bound() {
    return EngineUnderTest.isCuda() ? GPU_BOUND : TIMEOUT;
  }

  private record Ranks(List<Future<?>> results, List<ProcessGroup> groups, Thread[] threads) {}

  private static Void runRank(ProcessGroup group, RankBody body) throws Exception {
    try {
      body.run(group);
      return null;
    } catch (Exception | Error e) {
      group.abort("rank failed: " + e);
      throw e;
    }
  }

  private static void join(Ranks ranks, Duration bound) throws Exception {
    long deadline = System.nanoTime() + bound.toNanos();
    List<Throwable> failures = new ArrayList<>();
    for (int rank = 0; rank < ranks.threads.length; rank++) {
      Throwable failure = failureOf(ranks, rank, deadline);
      if (failure != null) {
        failures.add(failure);
      }
    }
    ranks.groups.forEach(ProcessGroup::close);
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

  private static Throwable failureOf(Ranks ranks, int rank, long deadline)
      throws InterruptedException {
    Future<?> result = ranks.results.get(rank);
    try {
      result.get(Math.max(1, deadline - System.nanoTime()), TimeUnit.NANOSECONDS);
      return null;
    } catch (ExecutionException e) {
      return e.getCause();
    } catch (TimeoutException e) {
      AssertionError hangs = new AssertionError("rank hangs: rank=" + rank, e);
      Thread thread = ranks.threads[rank];
      hangs.setStackTrace(thread == null ? new StackTraceElement[0] : thread.getStackTrace());
      result.cancel(true);
      return hangs;
    }
  }
}
