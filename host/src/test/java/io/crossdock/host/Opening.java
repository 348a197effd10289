package io.crossdock.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.group.GroupOptions;
import io.crossdock.core.group.InProcessGroup;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.core.spi.EngineSession;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;

/// Opens a session on every rank, as threads, and closes it again.
final class Opening {
  private Opening() {}

  /// {@return what the ranks threw, by rank, without those that threw nothing}
  static List<Throwable> onAll(BufferSpec spec, int numRanks) throws Exception {
    return onAll(spec, numRanks, group -> group);
  }

  /// @param disguise what a rank's engine gets to see of its group
  static List<Throwable> onAll(BufferSpec spec, int numRanks, UnaryOperator<ProcessGroup> disguise)
      throws Exception {
    GroupOptions options = GroupOptions.defaults().withTimeout(Duration.ofSeconds(30));
    List<ProcessGroup> groups = InProcessGroup.create(numRanks, options);
    List<Throwable> failures = new ArrayList<>();
    try (ExecutorService threads = Executors.newFixedThreadPool(numRanks)) {
      List<Future<Throwable>> ranks = new ArrayList<>();
      for (ProcessGroup group : groups) {
        ranks.add(
            threads.submit(() -> catchThrowable(() -> openAndClose(spec, disguise.apply(group)))));
      }
      for (Future<Throwable> rank : ranks) {
        Throwable failure = rank.get(60, TimeUnit.SECONDS);
        if (failure != null) {
          failures.add(failure);
        }
      }
    }
    groups.forEach(ProcessGroup::close);
    return failures;
  }

  private static void openAndClose(BufferSpec spec, ProcessGroup group) {
    try (EngineSession session = new HostEngine().openSession(spec, group)) {
      assertThat(session.lastCall().numWorkers()).isZero();
      group.barrier();
    }
  }
}
