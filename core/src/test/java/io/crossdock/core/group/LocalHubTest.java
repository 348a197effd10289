package io.crossdock.core.group;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/// The rules of the hub that a group does not show.
class LocalHubTest {
  private static final Deadline LATER = Deadline.in(Duration.ofHours(1));

  /// Writes down what it hears.
  private static final class Recorder implements LocalHub.Listener {
    private final List<String> heard = new ArrayList<>();

    @Override
    public void onResult(byte[][] contributions) {
      heard.add("result");
    }

    @Override
    public void onFailure(GroupFailure why) {
      heard.add(why.text());
    }

    @Override
    public String facts() {
      return "extra=1, ";
    }
  }

  @Test
  void earliestBoundDecides() throws Exception {
    var hub = new LocalHub(3, new Recorder());
    var first = hub.deposit(0, GroupPhase.BARRIER, new byte[0], LATER);
    var second = hub.deposit(1, GroupPhase.BARRIER, new byte[0], Deadline.inMillis(40));
    assertThat(first.get(Ranks.AMPLE.toSeconds(), TimeUnit.SECONDS)).isNull();
    assertThat(second).isSameAs(first);
    assertThat(hub.failure().ranks()).containsExactly(2);
    assertThat(hub.failure().text()).contains("missing=[2]", "extra=1", "size=3");
  }

  @Test
  void timerOfACompleteCollectiveHarmsNoLaterOne() throws Exception {
    var hub = new LocalHub(2, LocalHub.Listener.NONE);
    Deadline soon = Deadline.in(Duration.ofSeconds(1));
    var _ = hub.deposit(0, GroupPhase.BARRIER, new byte[0], soon);
    var _ = hub.deposit(1, GroupPhase.BARRIER, new byte[0], soon);
    var next = hub.deposit(0, GroupPhase.BARRIER, new byte[0], LATER);
    var afterwards =
        new CompletableFuture<Boolean>().completeOnTimeout(true, 1500, TimeUnit.MILLISECONDS);
    assertThat(afterwards.get(Ranks.AMPLE.toSeconds(), TimeUnit.SECONDS)).isTrue();
    assertThat(next).isNotDone();
    assertThat(hub.failure()).isNull();
  }

  @Test
  void overdueRankEndsOnlyItsOwnCollective() {
    var hub = new LocalHub(2, LocalHub.Listener.NONE);
    var next = hub.deposit(0, GroupPhase.BARRIER, new byte[0], LATER);
    hub.overdue(1);
    assertThat(next).isNotDone();
    hub.overdue(0);
    assertThat(next).isCompletedWithValue(null);
    assertThat(hub.failure().ranks()).containsExactly(1);
  }

  @Test
  void aCollectiveIsCompleteOrLateNeverBoth() throws Exception {
    for (int i = 0; i < 200; i++) {
      var hub = new LocalHub(2, LocalHub.Listener.NONE);
      long bound = TimeUnit.MICROSECONDS.toNanos(100L + 10L * i);
      var first =
          hub.deposit(0, GroupPhase.BARRIER, new byte[0], new Deadline(System.nanoTime() + bound));
      Deadline arrival = new Deadline(System.nanoTime() + bound * 3 / 4);
      while (!arrival.expired()) {
        Thread.onSpinWait();
      }
      var second = hub.deposit(1, GroupPhase.BARRIER, new byte[0], LATER);
      byte[][] all = first.get(Ranks.AMPLE.toSeconds(), TimeUnit.SECONDS);
      if (all == null) {
        assertThat(hub.failure().ranks()).containsExactly(1);
        assertThat(second).isCompletedWithValue(null);
      } else {
        assertThat(hub.failure()).isNull();
        assertThat(second).isCompletedWithValue(all);
      }
    }
  }

  @Test
  void listenerHearsBeforeAnyRankGoesOnAndFailureOnce() {
    var heard = new Recorder();
    var hub = new LocalHub(2, heard);
    var order = new ArrayList<String>();
    var done = hub.deposit(0, GroupPhase.BARRIER, new byte[0], LATER);
    var _ = done.thenRun(() -> order.addAll(heard.heard));
    var _ = hub.deposit(1, GroupPhase.BARRIER, new byte[0], LATER);
    assertThat(order).containsExactly("result");
    hub.lose(1, "first");
    hub.lose(0, "second");
    assertThat(heard.heard).hasSize(2);
    assertThat(heard.heard.getLast()).contains("peer=1", "phase=IDLE", "cause=first");
  }

  @Test
  void twoContributionsOfOneRankAreAMismatch() {
    var hub = new LocalHub(3, LocalHub.Listener.NONE);
    var _ = hub.deposit(1, GroupPhase.BARRIER, new byte[0], LATER);
    var again = hub.deposit(1, GroupPhase.BARRIER, new byte[0], LATER);
    assertThat(again).isCompletedWithValue(null);
    assertThat(hub.failure().kind()).isEqualTo(GroupFailure.Kind.MISMATCH);
  }
}
