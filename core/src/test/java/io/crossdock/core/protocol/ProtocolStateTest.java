package io.crossdock.core.protocol;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.core.protocol.WindowSet.Holder;
import java.util.Arrays;
import java.util.Set;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

class ProtocolStateTest {
  private static final int NUM_RANKS = 3;

  private final WindowSet receive = new WindowSet(2);
  private final WindowSet output = new WindowSet(2);
  private final ProtocolState protocol = newState();

  private ProtocolState newState() {
    Entry[] entries = new Entry[NUM_RANKS];
    Arrays.setAll(entries, rank -> new Entry(NUM_RANKS, 6));
    return new ProtocolState(entries, receive, output);
  }

  private void enterAll(Consumer<Entry> fill) {
    protocol.begin();
    for (int rank = 0; rank < NUM_RANKS; rank++) {
      Entry entry = protocol.entry(rank);
      entry.kind = CallKind.FRESH_DISPATCH;
      entry.capacityRows = 10;
      entry.outputRows = Long.MAX_VALUE;
      fill.accept(entry);
      protocol.observe(rank);
    }
  }

  @Test
  void beginsOnlyWhenEveryEntryWasSeen() {
    assertThat(protocol.nextUnseen()).isEqualTo(-1);
    assertThat(protocol.begin()).isEqualTo(1);
    assertThat(protocol.canBegin()).isFalse();
    assertThatThrownBy(protocol::begin).isInstanceOf(IllegalStateException.class);
    protocol.observe(0);
    protocol.observe(0);
    protocol.observe(2);
    assertThat(protocol.nextUnseen()).isEqualTo(1);
    assertThat(protocol.canBegin()).isFalse();
    protocol.observe(1);
    assertThat(protocol.nextUnseen()).isEqualTo(-1);
    assertThat(protocol.begin()).isEqualTo(2);
  }

  @Test
  void usesEntrySlotsInTurn() {
    assertThat(ProtocolState.slot(7)).isEqualTo(ProtocolState.slot(9));
    assertThat(ProtocolState.slot(7)).isNotEqualTo(ProtocolState.slot(8));
    assertThat(ProtocolState.slot((1L << 40) + 1)).isEqualTo(1);
  }

  @Test
  void proceedsWhenAllAgree() {
    enterAll(entry -> {});
    assertThat(protocol.verdict()).isEqualTo(Verdict.PROCEED);
    assertThat(protocol.culprit(Verdict.REFUSED)).isEqualTo(-1);
    assertThat(protocol.culprit(Verdict.PROCEED)).isEqualTo(-1);
  }

  @Test
  void refusalComesBeforeMismatchBeforeCapacity() {
    enterAll(entry -> entry.rankCounts[0] = 5);
    assertThat(protocol.verdict()).isEqualTo(Verdict.OVER_CAPACITY);
    assertThat(protocol.culprit(Verdict.OVER_CAPACITY)).isEqualTo(0);
    protocol.entry(2).rowBytes = 7;
    assertThat(protocol.verdict()).isEqualTo(Verdict.MISMATCH);
    assertThat(protocol.culprit(Verdict.MISMATCH)).isEqualTo(2);
    protocol.entry(1).refuse("because");
    assertThat(protocol.verdict()).isEqualTo(Verdict.REFUSED);
    assertThat(protocol.culprit(Verdict.REFUSED)).isEqualTo(1);
    assertThat(protocol.entry(1).reason).isEqualTo("because");
    assertThat(protocol.entry(1).rankCounts).containsOnly(0);
  }

  @Test
  void capacityCountsOnlyWithoutRounds() {
    enterAll(entry -> {
      entry.rankCounts[1] = 5;
      entry.canRound = 1;
    });
    assertThat(protocol.announcedTotal(1)).isEqualTo(15);
    assertThat(protocol.verdict()).isEqualTo(Verdict.PROCEED);
    protocol.entry(1).outputRows = 14;
    assertThat(protocol.verdict()).isEqualTo(Verdict.OVER_CAPACITY);
    assertThat(protocol.culprit(Verdict.OVER_CAPACITY)).isEqualTo(1);
  }

  @Test
  void laterRoundsAndCombinesAreNeverOverCapacity() {
    for (CallKind kind :
        Set.of(CallKind.DISPATCH_ROUND, CallKind.COMBINE, CallKind.COMBINE_ROUND)) {
      enterAll(entry -> {
        entry.kind = kind;
        entry.rankCounts[0] = 50;
      });
      assertThat(protocol.verdict()).as("kind=%s", kind).isEqualTo(Verdict.PROCEED);
    }
  }

  @Test
  void refusesTotalsBeyond64Bits() {
    enterAll(entry -> entry.rankCounts[0] = Long.MAX_VALUE / 2);
    assertThatThrownBy(() -> protocol.announcedTotal(0)).isInstanceOf(ArithmeticException.class);
  }

  @Test
  void takesAsManyRoundsAsTheFullestRank() {
    HandleData handle = new HandleData(0, NUM_RANKS);
    handle.setCounts(0, new long[] {0, 10, 3});
    handle.setCounts(1, new long[] {0, 0, 3});
    handle.setCounts(2, new long[] {0, 0, 0});
    enterAll(entry -> {});
    assertThat(protocol.rounds(handle)).isEqualTo(1);
    handle.setCounts(2, new long[] {0, 1, 0});
    assertThat(protocol.rounds(handle)).isEqualTo(2);
    protocol.entry(2).capacityRows = 2;
    assertThat(protocol.rounds(handle)).isEqualTo(3);
    protocol.entry(0).capacityRows = 0;
    assertThat(protocol.rounds(handle)).isEqualTo(3);
  }

  @Test
  void countsRoundsOfMoreRowsThan32Bits() {
    HandleData handle = new HandleData(0, NUM_RANKS);
    handle.setCounts(0, new long[] {1L << 40, 0, 0});
    handle.setCounts(1, new long[] {1, 0, 0});
    handle.setCounts(2, new long[] {0, 0, 0});
    enterAll(entry -> entry.capacityRows = 1L << 30);
    assertThat(protocol.rounds(handle)).isEqualTo(1025);
  }

  @Test
  void waitsForTheFinishedMarkOfThisEpoch() {
    enterAll(entry -> {});
    assertThat(protocol.nextUnfinished()).isEqualTo(0);
    protocol.observeFinished(0, 1);
    protocol.observeFinished(1, 1);
    protocol.observeFinished(2, 0);
    assertThat(protocol.nextUnfinished()).isEqualTo(2);
    protocol.observeFinished(2, 1);
    protocol.observeFinished(2, 0);
    assertThat(protocol.nextUnfinished()).isEqualTo(-1);
    enterAll(entry -> {});
    assertThat(protocol.nextUnfinished()).isEqualTo(0);
  }

  @Test
  void reusesAnOutputWindowOnceAllPulledIt() {
    assertThat(protocol.nextPulled()).isEqualTo(-1);
    publishOutput();
    publishOutput();
    assertThat(protocol.acquireOutput()).isEqualTo(-1);
    assertThat(protocol.nextPulled()).isEqualTo(1);
    protocol.observePulled(0, 2);
    protocol.observePulled(2, 1);
    assertThat(protocol.nextUnpulled(1)).isEqualTo(1);
    assertThat(protocol.acquireOutput()).isEqualTo(-1);
    protocol.observePulled(1, 1);
    assertThat(protocol.nextUnpulled(1)).isEqualTo(-1);
    assertThat(protocol.nextUnpulled(2)).isEqualTo(1);
    assertThat(protocol.acquireOutput()).isEqualTo(0);
    assertThat(protocol.nextPulled()).isEqualTo(2);
    assertThat(protocol.acquireOutput()).isEqualTo(-1);
  }

  private void publishOutput() {
    int window = protocol.acquireOutput();
    enterAll(entry -> entry.kind = CallKind.COMBINE);
    protocol.publishOutput(window);
    assertThat(output.holder(window)).isEqualTo(Holder.READERS);
    assertThat(output.epoch(window)).isEqualTo(protocol.epoch());
  }

  @Test
  void namesTheLowestRankThatAborted() {
    protocol.observeState(2, PeerState.ABORTED);
    protocol.observeState(1, PeerState.LEAVING);
    assertThat(protocol.abortedRank()).isEqualTo(2);
    assertThat(protocol.isGone(1)).isTrue();
    assertThat(protocol.isGone(0)).isFalse();
    protocol.observeState(1, PeerState.ABORTED);
    assertThat(protocol.abortedRank()).isEqualTo(1);
  }

  @Test
  void takesNothingBackThatARankSaidOfItself() {
    protocol.observeState(0, PeerState.LEAVING);
    protocol.observeState(0, PeerState.RUNNING);
    assertThat(protocol.isGone(0)).isTrue();
  }

  @Test
  void keepsAWindowAfterAnAbort() {
    int refused = receive.acquire();
    protocol.withdraw(receive, refused);
    assertThat(receive.holder(refused)).isEqualTo(Holder.FREE);
    int aborted = receive.acquire();
    protocol.observeState(1, PeerState.ABORTED);
    protocol.withdraw(receive, aborted);
    assertThat(receive.holder(aborted)).isEqualTo(Holder.CALL);
  }

  @Test
  void startsAnewAfterAReset() {
    enterAll(entry -> {});
    receive.hand(receive.acquire(), Holder.LEASE, 1);
    output.hand(output.acquire(), Holder.READERS, 1);
    protocol.begin();
    protocol.observeState(2, PeerState.ABORTED);
    long start = ProtocolState.restart(protocol.epoch());
    assertThat(start).isGreaterThan(protocol.epoch());
    protocol.reset(start);
    assertThat(protocol.abortedRank()).isEqualTo(-1);
    assertThat(protocol.nextUnfinished()).isEqualTo(-1);
    assertThat(protocol.nextUnpulled(start)).isEqualTo(-1);
    assertThat(receive.holder(0)).isEqualTo(Holder.FREE);
    assertThat(output.holder(0)).isEqualTo(Holder.FREE);
    assertThat(protocol.begin()).isEqualTo(start + 1);
    assertThat(protocol.nextUnfinished()).isEqualTo(0);
  }
}
