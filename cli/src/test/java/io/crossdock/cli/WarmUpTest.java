package io.crossdock.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.group.GroupOptions;
import io.crossdock.core.group.InProcessGroup;
import io.crossdock.core.group.ProcessGroup;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/// Ranks as threads, without an engine.
class WarmUpTest {
  private static final int RANKS = 3;

  @Test
  void allRanksRunAsManyRounds() throws Exception {
    List<ProcessGroup> groups = InProcessGroup.create(RANKS, GroupOptions.defaults());
    try (ExecutorService threads = Executors.newFixedThreadPool(RANKS)) {
      List<Future<Integer>> ranks =
          groups.stream().map(group -> threads.submit(() -> roundsOf(group))).toList();
      int first = ranks.getFirst().get(1, TimeUnit.MINUTES);
      assertThat(first).isGreaterThanOrEqualTo(10);
      for (Future<Integer> rank : ranks) {
        assertThat(rank.get(1, TimeUnit.MINUTES)).isEqualTo(first);
      }
    }
  }

  /// Of a run of one iteration, so it ends soon, whatever the compiler does.
  private static int roundsOf(ProcessGroup group) {
    AtomicInteger rounds = new AtomicInteger();
    new WarmUp(new StartLine(group), 1).run(rounds::incrementAndGet);
    return rounds.get();
  }
}
