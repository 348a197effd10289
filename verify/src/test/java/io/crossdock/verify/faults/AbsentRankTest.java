package io.crossdock.verify.faults;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.crossdock.core.AbortedException;
import io.crossdock.core.BufferClosedException;
import io.crossdock.core.PeerLeftException;
import io.crossdock.core.group.GroupException;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.harness.RankBody;
import io.crossdock.verify.harness.RankLaunch;
import io.crossdock.verify.harness.RankProcesses;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Ranks as processes that do not come, are not let in, or go too early.
class AbsentRankTest {
  private static final Duration BOUND = Duration.ofSeconds(60);

  @Test
  void neverComes() throws Exception {
    try (RankProcesses ranks =
        RankLaunch.of(3)
            .startOnly(2)
            .environment("CROSSDOCK_TIMEOUT_SECONDS", "10")
            .startMain(JoinMain.class, "PeerMissingException", "PeerMissingException")) {
      ranks.awaitSuccess(BOUND);
      assertThat(ranks.output(0)).contains("missing=[2]");
      assertThat(ranks.output(1)).contains("missing=[2]");
    }
  }

  @Test
  void hasAWrongSecret() throws Exception {
    try (RankProcesses ranks =
        RankLaunch.of(3)
            .environment("CROSSDOCK_TIMEOUT_SECONDS", "10")
            .environmentOf(2, "CROSSDOCK_SECRET", "f".repeat(32))
            .startMain(
                JoinMain.class,
                "PeerMissingException",
                "PeerMissingException",
                "GroupSecretException")) {
      ranks.awaitSuccess(BOUND);
      assertThat(ranks.output(0)).contains("missing=[2]").contains("peersWithWrongSecret=");
      assertThat(ranks.output(1)).contains("missing=[2]");
      assertThat(ranks.output(2)).contains("host=0").doesNotContain("ffffffff");
    }
  }

  /// How a rank goes.
  enum Exit {
    /// Closes its buffer and its group.
    IN_ORDER,
    /// Ends its process with the buffer open.
    WITHOUT_A_WORD,
    /// Throws away a buffer that peers are about to use.
    CLOSES_ONLY
  }

  @ParameterizedTest
  @EnumSource(Exit.class)
  void goesTooEarly(Exit exit) throws Exception {
    try (RankProcesses ranks = RankLaunch.of(3).start(Body.class, exit.name())) {
      ranks.awaitSuccess(BOUND);
    }
  }

  /// Rank 0, which the others found the group through, goes after a few calls.
  public static final class Body implements RankBody {
    private final Exit exit;

    /// @param arguments how rank 0 goes
    public Body(List<String> arguments) {
      exit = Exit.valueOf(arguments.getFirst());
    }

    @Override
    public void run(ProcessGroup group) throws Exception {
      FaultRank rank = FaultRank.open(group);
      rank.takeLease();
      rank.calls().run(1);
      if (group.rank() == 0) {
        leave(rank);
        return;
      }
      long start = System.nanoTime();
      Throwable thrown = catchThrowable(() -> rank.calls().run(2));
      Duration took = Duration.ofNanos(System.nanoTime() - start);
      assertThat(thrown)
          .isInstanceOfAny(
              PeerLeftException.class, AbortedException.class, BufferClosedException.class);
      assertThat(thrown).hasMessageContaining("peer=0");
      assertThat(took).isLessThan(FaultRank.TIMEOUT.dividedBy(2));
      rank.checkLease();
      rank.close();
    }

    private void leave(FaultRank rank) {
      switch (exit) {
        case IN_ORDER -> rank.close();
        case WITHOUT_A_WORD -> Runtime.getRuntime().halt(0);
        case CLOSES_ONLY -> {
          rank.close();
          assertThat(catchThrowable(rank.group()::barrier)).isInstanceOf(GroupException.class);
        }
      }
    }
  }
}
