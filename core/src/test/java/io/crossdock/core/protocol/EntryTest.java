package io.crossdock.core.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

class EntryTest {
  private static final Map<String, Consumer<Entry>> TERMS =
      Map.of(
          "rowBytes", entry -> entry.rowBytes = 1L << 33,
          "scaleBytes", entry -> entry.scaleBytes = 4,
          "topk", entry -> entry.topk = 8,
          "indexBytes", entry -> entry.indexBytes = 8,
          "numExperts", entry -> entry.numExperts = 6,
          "weights", entry -> entry.weights = 1,
          "dtype", entry -> entry.dtype = 2,
          "handleEpoch", entry -> entry.handleEpoch = 1L << 40,
          "round", entry -> entry.round = 1);

  private final Entry mine = new Entry(2, 6);
  private final Entry theirs = new Entry(2, 6);

  @Test
  void agreesWithItsLike() {
    assertThat(mine.agrees(theirs)).isTrue();
    assertThat(mine.mismatch(theirs)).isNull();
  }

  @Test
  void namesEveryTermThatDiffers() {
    TERMS.forEach((name, change) -> {
      Entry other = new Entry(2, 6);
      change.accept(other);
      assertThat(mine.agrees(other)).as(name).isFalse();
      assertThat(mine.mismatch(other)).startsWith(name + "=0 against ");
    });
  }

  @Test
  void namesDifferentCalls() {
    mine.kind = CallKind.COMBINE;
    theirs.kind = CallKind.FRESH_DISPATCH;
    assertThat(mine.agrees(theirs)).isFalse();
    assertThat(mine.mismatch(theirs)).isEqualTo("kind=COMBINE against FRESH_DISPATCH");
  }

  @Test
  void leavesToEachRankWhatIsItsOwn() {
    theirs.window = 1;
    theirs.capacityRows = 7;
    theirs.outputRows = 9;
    theirs.canRound = 1;
    theirs.rankCounts[0] = 3;
    theirs.expertCounts[5] = 3;
    assertThat(mine.agrees(theirs)).isTrue();
    assertThat(mine.mismatch(theirs)).isNull();
  }

  @Test
  void travelsAsAnOrdinal() {
    for (CallKind kind : CallKind.values()) {
      assertThat(CallKind.of(kind.ordinal())).isSameAs(kind);
    }
  }
}
