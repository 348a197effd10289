package io.crossdock.verify.faults;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.crossdock.core.AbortedException;
import io.crossdock.core.BufferClosedException;
import io.crossdock.core.CrossdockException;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.Mode;
import io.crossdock.core.WaitTimeoutException;
import io.crossdock.verify.harness.Bounded;
import io.crossdock.verify.harness.EngineUnderTest;
import io.crossdock.verify.harness.ExactCalls;
import io.crossdock.verify.harness.OverNodes;
import io.crossdock.verify.harness.RankThreads;
import io.crossdock.verify.network.Weather;
import java.time.Duration;
import org.junit.jupiter.api.Test;

/// What the network needs of calls that failed, and what ranks are told that were given up:
/// nothing.
@OverNodes
class NodesReleaseTest {
  private static final int RANKS = 4;
  private static final int LAST = RANKS - 1;
  private static final Duration TIMEOUT = Duration.ofSeconds(2);
  private static final Duration LONG = Duration.ofSeconds(30);
  private static final int CALLS = 50;

  /// Rank 2 does not see that rank 0 entered, and gives up, while rank 0 has put rows for it. A
  /// reset connects them anew.
  @Test
  void aFailedDispatchNeedsNoMemoryOfTheCaller() throws Exception {
    RankThreads.run(
        RANKS,
        group -> {
          var spec = FaultRank.spec().hostTimeout(TIMEOUT).build();
          try (EpBuffer buffer = EpBuffer.open(EngineUnderTest.open(), spec, group)) {
            ExactCalls calls = new ExactCalls(buffer);
            calls.run(0);
            group.barrier();
            if (group.rank() == 0) {
              Weather.hold(0, 2, true);
            }
            group.barrier();
            assertThat(catchThrowable(() -> calls.run(1)))
                .isInstanceOfAny(
                    WaitTimeoutException.class,
                    AbortedException.class,
                    BufferClosedException.class);
            // Beats and words of the engine's own come and go; rows for rank 2 would stay.
            Bounded.await(
                "nothing of rank " + group.rank() + " is under way",
                TIMEOUT,
                () -> Weather.pending(Mode.NORMAL, group.rank()) == 0);
            group.barrier();
            if (group.rank() == 0) {
              Weather.hold(0, 2, false);
            }
            group.barrier();
            buffer.reset();
            for (int seed = 2; seed < 5; seed++) {
              calls.run(seed);
            }
          }
        });
  }

  /// Who closes is told that memory stays; nobody else has a part in it.
  @Test
  void aNetworkThatDoesNotLetGoIsToldByClose() throws Exception {
    RankThreads.run(
        RANKS,
        group -> {
          EpBuffer buffer = EpBuffer.open(EngineUnderTest.open(), FaultRank.spec().build(), group);
          new ExactCalls(buffer).run(0);
          if (group.rank() == LAST) {
            Weather.cling(LAST);
          }
          group.barrier();
          Throwable thrown = catchThrowable(buffer::close);
          if (group.rank() == LAST) {
            assertThat(thrown)
                .isExactlyInstanceOf(CrossdockException.class)
                .hasMessageStartingWith("network did not let go of memory: rank=3, bytes=");
          } else {
            assertThat(thrown).isNull();
          }
        });
  }

  @Test
  void aMaskedRankIsToldOfNoCalls() throws Exception {
    RankThreads.run(
        RANKS,
        group -> {
          try (ElasticRank rank = ElasticRank.open(group, LONG)) {
            rank.calls().run(0, 3);
            group.barrier();
            if (rank.rank() != LAST) {
              rank.buffer().updateMask(LAST, true);
              rank.calls().run(100);
              long before = Weather.sentBytes(Mode.LOW_LATENCY, rank.rank(), LAST);
              rank.calls().run(101, CALLS);
              long after = Weather.sentBytes(Mode.LOW_LATENCY, rank.rank(), LAST);
              assertThat(after).isEqualTo(before);
            }
            group.barrier();
            rank.buffer().updateMask(LAST, false);
            rank.expectMasked();
            rank.calls().run(200, 3);
          }
        });
  }
}
