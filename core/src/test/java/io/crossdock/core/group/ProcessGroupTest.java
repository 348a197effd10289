package io.crossdock.core.group;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.core.ConcurrentUseException;
import io.crossdock.core.InvalidInputException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// What every process group promises, over each kind.
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class ProcessGroupTest {
  private List<ProcessGroup> members = List.of();

  /// Where the ranks are.
  enum Kind {
    IN_PROCESS {
      @Override
      List<ProcessGroup> open(int size, Duration timeout) {
        return InProcessGroup.create(size, GroupOptions.defaults().withTimeout(timeout));
      }
    },
    TCP {
      @Override
      List<ProcessGroup> open(int size, Duration timeout) throws Exception {
        return Ranks.tcp(size, timeout);
      }
    };

    abstract List<ProcessGroup> open(int size, Duration timeout) throws Exception;
  }

  private void open(Kind kind, int size, Duration timeout) throws Exception {
    members = kind.open(size, timeout);
  }

  private void open(Kind kind, int size) throws Exception {
    open(kind, size, Ranks.AMPLE);
  }

  @AfterEach
  void closeAll() throws Exception {
    Ranks.closeAll(members);
    Ranks.assertNoThreads();
  }

  @ParameterizedTest
  @EnumSource
  void membersKnowTheirPlace(Kind kind) throws Exception {
    open(kind, 3);
    for (int rank = 0; rank < 3; rank++) {
      ProcessGroup member = members.get(rank);
      assertThat(member.rank()).isEqualTo(rank);
      assertThat(member.size()).isEqualTo(3);
      assertThat(member.localRank()).isEqualTo(rank);
      assertThat(member.localSize()).isEqualTo(3);
      assertThat(member.timeout()).isEqualTo(Ranks.AMPLE);
      assertThat(member.toString()).contains(member.name(), "rank=" + rank, "size=3");
    }
  }

  @ParameterizedTest
  @EnumSource
  void gathersContributionsOfAnyLengthAgainAndAgain(Kind kind) throws Exception {
    open(kind, 4);
    long seed = System.nanoTime();
    int numRounds = 20;
    var gathered =
        Ranks.<byte[][][]>startAll(
            4,
            rank ->
                () -> {
                  byte[][][] rounds = new byte[numRounds][][];
                  for (int i = 0; i < numRounds; i++) {
                    rounds[i] = members.get(rank).allGather(sample(seed, rank, i));
                    members.get(rank).barrier();
                  }
                  return rounds;
                });
    for (var rank : gathered) {
      byte[][][] rounds = rank.result();
      for (int i = 0; i < numRounds; i++) {
        for (int peer = 0; peer < 4; peer++) {
          assertThat(rounds[i][peer])
              .as("seed=%d, round=%d, peer=%d", seed, i, peer)
              .isEqualTo(sample(seed, peer, i));
        }
      }
    }
  }

  /// Some are empty, some do not fit into one frame with their neighbours.
  private static byte[] sample(long seed, int rank, int round) {
    int[] lengths = {0, 1, 13, 5000, 700_000};
    var random = new Random(seed + 31L * round + rank);
    byte[] bytes = new byte[lengths[random.nextInt(lengths.length)]];
    random.nextBytes(bytes);
    return bytes;
  }

  @ParameterizedTest
  @EnumSource
  void callerOwnsWhatItGivesAndGets(Kind kind) throws Exception {
    open(kind, 2);
    byte[] mine = {1, 2, 3};
    var other = Ranks.start(() -> members.get(1).allGather(mine));
    byte[][] first = members.get(0).allGather(mine);
    byte[][] second = other.result();
    Arrays.fill(first[0], (byte) 9);
    Arrays.fill(first[1], (byte) 9);
    assertThat(mine).containsExactly(1, 2, 3);
    assertThat(second[0]).containsExactly(1, 2, 3);
    assertThat(second[1]).containsExactly(1, 2, 3);
  }

  @ParameterizedTest
  @EnumSource
  void largestContributionArrivesAndALargerOneIsRefused(Kind kind) throws Exception {
    open(kind, 2);
    byte[] largest = new byte[ProcessGroup.MAX_CONTRIBUTION_BYTES];
    largest[largest.length - 1] = 7;
    assertThatThrownBy(() -> members.get(0).allGather(new byte[largest.length + 1]))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContainingAll("bytes=" + (largest.length + 1), "maxBytes=" + largest.length);
    var other = Ranks.start(() -> members.get(1).allGather(new byte[0]));
    assertThat(members.get(0).allGather(largest)[0]).isEqualTo(largest);
    byte[][] all = other.result();
    assertThat(all[0]).isEqualTo(largest);
    assertThat(all[1]).isEmpty();
  }

  @ParameterizedTest
  @EnumSource
  void abortReachesWhoWaitsAndWhoComesLater(Kind kind) throws Exception {
    open(kind, 3);
    var host = Ranks.barrier(members.get(0));
    var waiting = Ranks.barrier(members.get(1));
    host.awaitWaiting();
    waiting.awaitWaiting();
    members.get(2).abort("no memory");
    for (var rank : List.of(host, waiting, Ranks.barrier(members.get(2)))) {
      var failure = rank.failure(GroupAbortedException.class);
      assertThat(failure.peer()).isEqualTo(2);
      assertThat(failure.reason()).isEqualTo("no memory");
      assertThat(failure).hasMessageContainingAll("peer=2", "reason=no memory", "rank=");
    }
    members.get(0).abort("too late");
    assertThatThrownBy(() -> members.get(1).allGather(new byte[1]))
        .isInstanceOf(GroupAbortedException.class)
        .hasMessageContaining("no memory");
  }

  @ParameterizedTest
  @EnumSource
  void hostCanAbortToo(Kind kind) throws Exception {
    open(kind, 3);
    var waiting = Ranks.barrier(members.get(2));
    members.get(0).abort("x".repeat(5000));
    var failure = waiting.failure(GroupAbortedException.class);
    assertThat(failure.peer()).isZero();
    assertThat(failure.reason()).hasSize(1000);
  }

  @ParameterizedTest
  @EnumSource
  void rankThatDoesNotCallIsNamedByAll(Kind kind) throws Exception {
    open(kind, 4, Duration.ofSeconds(3));
    var waiting = List.of(Ranks.barrier(members.get(0)), Ranks.barrier(members.get(2)));
    for (var rank : waiting) {
      var failure = rank.failure(PeerMissingException.class);
      assertThat(failure.missingRanks()).containsExactly(1, 3);
      assertThat(failure).hasMessageContainingAll("missing=[1,3]", "phase=BARRIER", "waitedMs=");
    }
    assertThatThrownBy(() -> members.get(3).barrier())
        .isInstanceOf(PeerMissingException.class)
        .hasMessageContainingAll("missing=[1,3]", "rank=3");
  }

  @ParameterizedTest
  @EnumSource
  void whoLeavesIsMissedOnlyInLaterCollectives(Kind kind) throws Exception {
    open(kind, 3);
    var others = List.of(Ranks.barrier(members.get(0)), Ranks.barrier(members.get(1)));
    members.get(2).barrier();
    members.get(2).close();
    for (var rank : others) {
      rank.result();
    }
    var late = List.of(Ranks.barrier(members.get(0)), Ranks.barrier(members.get(1)));
    for (var rank : late) {
      var failure = rank.failure(PeerLostException.class);
      assertThat(failure.peer()).isEqualTo(2);
      assertThat(failure).hasMessageContaining("cause=left the group");
    }
  }

  @ParameterizedTest
  @EnumSource
  void whoLeavesWhileOthersWaitIsNamed(Kind kind) throws Exception {
    open(kind, 3);
    var others = List.of(Ranks.barrier(members.get(1)), Ranks.barrier(members.get(2)));
    for (var rank : others) {
      rank.awaitWaiting();
    }
    members.get(0).close();
    for (var rank : others) {
      assertThat(rank.failure(PeerLostException.class).peer()).isZero();
    }
  }

  @ParameterizedTest
  @EnumSource
  void collectivesThatDifferAreNamed(Kind kind) throws Exception {
    open(kind, 2);
    var gathering = Ranks.start(() -> members.get(0).allGather(new byte[1]));
    gathering.awaitWaiting();
    var inBarrier = Ranks.barrier(members.get(1));
    assertThat(inBarrier.failure(GroupMismatchException.class))
        .hasMessageContainingAll("peer=0, peerPhase=ALL_GATHER", "other=1, otherPhase=BARRIER");
    gathering.failure(GroupMismatchException.class);
  }

  @ParameterizedTest
  @EnumSource
  void interruptEndsTheGroupAndKeepsTheFlag(Kind kind) throws Exception {
    open(kind, 3);
    var interrupted =
        Ranks.start(() -> {
          assertThatThrownBy(() -> members.get(1).barrier())
              .isInstanceOf(GroupInterruptedException.class)
              .hasMessageContainingAll("phase=BARRIER", "rank=1");
          return Thread.currentThread().isInterrupted();
        });
    interrupted.awaitWaiting();
    interrupted.thread().interrupt();
    assertThat(interrupted.result()).isTrue();
    assertThatThrownBy(() -> members.get(0).barrier())
        .isInstanceOf(GroupAbortedException.class)
        .hasMessageContainingAll("peer=1", "interrupted in BARRIER");
  }

  @ParameterizedTest
  @EnumSource
  void secondThreadIsRefusedAndTheFirstGoesOn(Kind kind) throws Exception {
    open(kind, 2);
    var threads = List.of(Ranks.barrier(members.get(1)), Ranks.barrier(members.get(1)));
    assertThatThrownBy(() ->
            CompletableFuture.anyOf(threads.get(0).future(), threads.get(1).future())
                .get(Ranks.AMPLE.toSeconds(), TimeUnit.SECONDS))
        .cause()
        .isInstanceOf(ConcurrentUseException.class)
        .hasMessageContainingAll("rank=1", "phase=BARRIER", "inside=", "refused=");
    members.get(0).barrier();
    int first = threads.get(0).future().isCompletedExceptionally() ? 1 : 0;
    threads.get(first).result();
    threads.get(1 - first).failure(ConcurrentUseException.class);
  }

  @ParameterizedTest
  @EnumSource
  void closeWakesWhoWaitsAndIsIdempotent(Kind kind) throws Exception {
    open(kind, 3);
    var waiting = List.of(Ranks.barrier(members.get(0)), Ranks.barrier(members.get(1)));
    for (var rank : waiting) {
      rank.awaitWaiting();
    }
    for (int rank = 0; rank < 2; rank++) {
      members.get(rank).close();
      members.get(rank).close();
      assertThat(waiting.get(rank).failure(GroupException.class))
          .isInstanceOfAny(GroupClosedException.class, PeerLostException.class);
    }
    waiting.getFirst().failure(GroupClosedException.class);
    assertThatThrownBy(() -> members.get(0).allGather(new byte[0]))
        .isInstanceOf(GroupClosedException.class)
        .hasMessageContainingAll("phase=ALL_GATHER", "rank=0");
    members.get(0).abort("nobody hears this");
  }

  @ParameterizedTest
  @EnumSource
  void lastCollectiveReachesAllThoughEachLeavesAtOnce(Kind kind) throws Exception {
    for (int i = 0; i < 20; i++) {
      open(kind, 3);
      var ranks =
          Ranks.<byte[][]>startAll(
              3,
              rank ->
                  () -> {
                    try (ProcessGroup member = members.get(rank)) {
                      return member.allGather("x".getBytes(StandardCharsets.UTF_8));
                    }
                  });
      for (var rank : ranks) {
        assertThat(rank.result()).hasDimensions(3, 1);
      }
    }
  }
}
