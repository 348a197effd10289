package io.crossdock.cuda;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.AbortedException;
import io.crossdock.core.BufferClosedException;
import io.crossdock.core.CapacityException;
import io.crossdock.core.CollectiveMismatchException;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.PeerLeftException;
import io.crossdock.core.RefusedException;
import io.crossdock.core.WaitTimeoutException;
import io.crossdock.core.protocol.CallKind;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;

/// Reports of kernels become the exceptions of the host engine.
class VerdictsTest {
  private final MemorySegment report =
      Arena.ofAuto().allocate(Structs.REPORT.byteSize(), Long.BYTES);

  private void outcome(String field, long value) {
    report.set(JAVA_LONG, Structs.REPORT.offset("outcome") + Structs.OUTCOME.offset(field), value);
  }

  private void entry(String which, String field, long value) {
    report.set(JAVA_LONG, Structs.REPORT.offset(which) + Structs.ENTRY.offset(field), value);
  }

  @Test
  void aRefusalOfTheHostTravelsAsText() {
    outcome("code", Verdicts.REFUSED);
    outcome("peer", 2);
    Verdicts.putText(
        report.asSlice(Structs.REPORT.offset("reason"), Structs.REASON_BYTES), "rows ä: n=1");
    assertThat(Verdicts.orderly(report, 0))
        .isInstanceOf(RefusedException.class)
        .hasMessageContaining("rows ä: n=1");
  }

  @Test
  void aRefusalOfTheDeviceIsTheSameTextOnAllRanks() {
    outcome("code", Verdicts.REFUSED);
    outcome("peer", 1);
    entry("culprit", "refusal", 1);
    entry("culprit", "num_experts", 8);
    entry("culprit", "fact0", 5);
    entry("culprit", "fact1", 2);
    entry("culprit", "fact2", -7);
    String text = "expert id is out of range: token=5, k=2, expert=-7, numExperts=8";
    assertThat(Verdicts.orderly(report, 1))
        .isInstanceOf(InvalidInputException.class)
        .hasMessage(text);
    assertThat(Verdicts.orderly(report, 0))
        .isInstanceOf(RefusedException.class)
        .hasMessageContaining(text);
    entry("culprit", "refusal", 2);
    entry("culprit", "fact1", 3);
    assertThat(Verdicts.orderly(report, 1))
        .hasMessage("a token repeats an expert: token=5, expert=3");
    entry("culprit", "refusal", 3);
    assertThat(Verdicts.orderly(report, 1))
        .hasMessage("layout does not belong to topkIdx: rank=5, layoutTokens=3, tokens=-7");
  }

  @Test
  void aMismatchNamesWhatDiffers() {
    outcome("code", Verdicts.MISMATCH);
    outcome("peer", 3);
    entry("first", "kind", CallKind.COMBINE.ordinal());
    entry("culprit", "kind", CallKind.COMBINE.ordinal());
    entry("first", "topk", 4);
    entry("culprit", "topk", 8);
    assertThat(Verdicts.orderly(report, 0))
        .isInstanceOf(CollectiveMismatchException.class)
        .hasMessageContaining("peer=3, difference=topk=4 against 8");
  }

  @Test
  void overCapacityNamesTheRows() {
    outcome("code", Verdicts.OVER_CAPACITY);
    outcome("peer", 1);
    outcome("fact0", 100);
    outcome("fact1", 64);
    outcome("fact2", Long.MAX_VALUE);
    assertThat(Verdicts.orderly(report, 0))
        .isInstanceOf(CapacityException.class)
        .hasMessageContaining("rank=1, rows=100, windowRows=64, remedy");
  }

  @Test
  void whatTakesTheBufferDownKeepsItsType() {
    outcome("code", Verdicts.TIMEOUT);
    outcome("peer", 1);
    outcome("phase", 2);
    outcome("expected", 12);
    outcome("seen", 11);
    outcome("waited_nanos", 5_000_000);
    assertThat(Verdicts.aborting(report, 0, ""))
        .isInstanceOf(WaitTimeoutException.class)
        .hasMessageContaining("rank=0, peer=1, phase=PULL, expected=12, seen=11, waitedMs=5");
    outcome("code", Verdicts.PEER_LEFT);
    assertThat(Verdicts.aborting(report, 0, ""))
        .isInstanceOf(PeerLeftException.class)
        .hasMessage("peer left during a call: rank=0, peer=1, phase=PULL, expected=12, seen=11");
    outcome("code", Verdicts.PEER_ABORTED);
    assertThat(Verdicts.aborting(report, 0, "why"))
        .isInstanceOf(AbortedException.class)
        .hasMessageContaining("origin=1, reason=why");
    outcome("code", Verdicts.UNUSABLE);
    assertThat(Verdicts.aborting(report, 0, "why"))
        .isInstanceOf(BufferClosedException.class)
        .hasMessageContaining("aborted and not reset: origin=1, reason=why");
  }

  @Test
  void longTextIsCut() {
    MemorySegment bytes = Arena.ofAuto().allocate(4);
    Verdicts.putText(bytes, "abcdef");
    assertThat(Verdicts.text(bytes)).isEqualTo("abcd");
    Verdicts.putText(bytes, "x");
    assertThat(Verdicts.text(bytes)).isEqualTo("x");
  }
}
