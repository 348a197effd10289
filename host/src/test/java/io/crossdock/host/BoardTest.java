package io.crossdock.host;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.protocol.CallKind;
import io.crossdock.core.protocol.Entry;
import io.crossdock.core.protocol.PeerState;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class BoardTest {
  private static final int NUM_RANKS = 3;
  private static final int NUM_EXPERTS = 12;
  private static final BufferSpec SPEC =
      BufferSpec.builder().numMaxTokensPerRank(4).hidden(8).topk(2).numExperts(NUM_EXPERTS).build();

  /// A field that is added to [Entry] and forgotten in the board fails here: every one gets a value
  /// of its own.
  @ParameterizedTest
  @EnumSource(CallKind.class)
  void everyFieldOfAnEntryTravels(CallKind kind) throws Exception {
    try (Ranks ranks = new Ranks(SPEC, NUM_RANKS)) {
      Entry sent = distinct(kind);
      ranks.contexts[1].board.publishEntry(9, sent);
      assertThat(ranks.contexts[0].board.load(1, ranks.layout.slot(9))).isEqualTo(9);
      for (int reader = 0; reader < NUM_RANKS; reader++) {
        Entry got = new Entry(NUM_RANKS, NUM_EXPERTS);
        ranks.contexts[reader].board.readEntry(1, 9, got);
        for (Field field : scalars()) {
          assertThat(field.get(got)).as(field.getName()).isEqualTo(field.get(sent));
        }
        assertThat(got.rankCounts).isEqualTo(sent.rankCounts);
        assertThat(got.reason).isEqualTo(kind == CallKind.REFUSED ? "reason" : "");
        assertThat(got.expertCounts)
            .isEqualTo(
                kind == CallKind.FRESH_DISPATCH ? ofReader(sent, reader) : new int[NUM_EXPERTS]);
      }
    }
  }

  /// Of E counts a reader takes those of its own experts.
  private static int[] ofReader(Entry sent, int reader) {
    int local = sent.numExperts / NUM_RANKS;
    int[] counts = new int[NUM_EXPERTS];
    System.arraycopy(sent.expertCounts, reader * local, counts, reader * local, local);
    return counts;
  }

  private static List<Field> scalars() {
    return Arrays.stream(Entry.class.getFields())
        .filter(field -> !Modifier.isStatic(field.getModifiers()))
        .filter(field -> !field.getType().isArray() && field.getType() != String.class)
        .toList();
  }

  private static Entry distinct(CallKind kind) throws Exception {
    Entry entry = new Entry(NUM_RANKS, NUM_EXPERTS);
    int value = 1;
    for (Field field : scalars()) {
      if (field.getType() == int.class) {
        field.set(entry, Integer.MAX_VALUE - value++);
      } else if (field.getType() == long.class) {
        field.set(entry, Long.MAX_VALUE - value++);
      }
    }
    entry.kind = kind;
    entry.reason = "reason";
    entry.numExperts = 9;
    Arrays.setAll(entry.rankCounts, rank -> (1L << 40) + rank);
    Arrays.setAll(entry.expertCounts, expert -> 100 + expert);
    return entry;
  }

  @Test
  void twoEpochsInARowHaveSlotsOfTheirOwn() throws Exception {
    try (Ranks ranks = new Ranks(SPEC, NUM_RANKS)) {
      Entry even = distinct(CallKind.REFUSED);
      even.reason = "even";
      ranks.contexts[2].board.publishEntry(4, even);
      Entry odd = distinct(CallKind.REFUSED);
      odd.reason = "odd";
      ranks.contexts[2].board.publishEntry(5, odd);
      Entry got = new Entry(NUM_RANKS, NUM_EXPERTS);
      ranks.contexts[0].board.readEntry(2, 4, got);
      assertThat(got.reason).isEqualTo("even");
      ranks.contexts[0].board.readEntry(2, 5, got);
      assertThat(got.reason).isEqualTo("odd");
    }
  }

  /// A reused entry must not keep what the last one read into it.
  @Test
  void aReasonIsForgottenByTheNextEntry() throws Exception {
    try (Ranks ranks = new Ranks(SPEC, NUM_RANKS)) {
      Entry got = new Entry(NUM_RANKS, NUM_EXPERTS);
      ranks.contexts[1].board.publishEntry(1, distinct(CallKind.REFUSED));
      ranks.contexts[0].board.readEntry(1, 1, got);
      assertThat(got.reason).isEqualTo("reason");
      ranks.contexts[1].board.publishEntry(2, distinct(CallKind.COMBINE));
      ranks.contexts[0].board.readEntry(1, 2, got);
      assertThat(got.reason).isEmpty();
    }
  }

  @Test
  void longReasonsAreCutAndTouchNothingElse() throws Exception {
    try (Ranks ranks = new Ranks(SPEC, NUM_RANKS)) {
      Entry sent = distinct(CallKind.REFUSED);
      sent.reason = "x".repeat(5000);
      ranks.contexts[1].board.publishEntry(1, sent);
      Entry got = new Entry(NUM_RANKS, NUM_EXPERTS);
      ranks.contexts[0].board.readEntry(1, 1, got);
      assertThat(got.reason).isEqualTo("x".repeat(Entry.MAX_REASON_BYTES));
      assertThat(got.rankCounts).isEqualTo(sent.rankCounts);
      ranks.contexts[1].board.publishState(PeerState.ABORTED, "é".repeat(5000));
      assertThat(ranks.contexts[0].board.reason(1)).isEqualTo("é".repeat(256));
      assertThat(ranks.contexts[0].board.load(1, ranks.layout.slot(1))).isEqualTo(1);
    }
  }

  @ParameterizedTest
  @EnumSource(PeerState.class)
  void statesTravelWithTheirReason(PeerState state) {
    try (Ranks ranks = new Ranks(SPEC, NUM_RANKS)) {
      assertThat(ranks.contexts[0].board.state(2)).isEqualTo(PeerState.RUNNING);
      assertThat(ranks.contexts[0].board.reason(2)).isEmpty();
      ranks.contexts[2].board.publishState(state, "because of \u00fc and \u4e16");
      assertThat(ranks.contexts[0].board.state(2)).isEqualTo(state);
      assertThat(ranks.contexts[0].board.reason(2)).isEqualTo("because of \u00fc and \u4e16");
      assertThat(ranks.contexts[0].board.state(1)).isEqualTo(PeerState.RUNNING);
    }
  }

  @Test
  void marksOfOneRankAreThoseThatPeersLoad() {
    try (Ranks ranks = new Ranks(SPEC, NUM_RANKS)) {
      long large = 1L << 50;
      ranks.contexts[1].board.publishFinished(large);
      ranks.contexts[1].board.publishPulled(large + 1);
      for (HostContext reader : ranks.contexts) {
        assertThat(reader.board.load(1, ranks.layout.finished)).isEqualTo(large);
        assertThat(reader.board.load(1, ranks.layout.pulled)).isEqualTo(large + 1);
        assertThat(reader.board.load(0, ranks.layout.finished)).isZero();
      }
    }
  }
}
