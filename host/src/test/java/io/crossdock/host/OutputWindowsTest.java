package io.crossdock.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.DType;
import io.crossdock.core.LeaseException;
import io.crossdock.core.Tensor;
import io.crossdock.core.WaitTimeoutException;
import io.crossdock.core.protocol.WindowSet;
import io.crossdock.core.protocol.WindowSet.Holder;
import io.crossdock.core.spi.OutputPlace;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// The windows of rank 0, read by ranks 0 and 1.
@Timeout(60)
class OutputWindowsTest {
  private static final int HIDDEN = 24;
  private static final int TOPK = 3;

  /// More than any reader that comes needs.
  private static final Duration AMPLE = Duration.ofSeconds(20);

  private Ranks ranks;
  private HostContext context;
  private WindowSet set;
  private OutputWindows windows;

  @BeforeEach
  void open() {
    open(AMPLE);
  }

  private void open(Duration timeout) {
    ranks =
        new Ranks(
            BufferSpec.builder()
                .numMaxTokensPerRank(5)
                .hidden(HIDDEN)
                .topk(TOPK)
                .numExperts(4)
                .hostTimeout(timeout)
                .build(),
            2);
    context = ranks.contexts[0];
    set = context.protocol.output();
    windows = new OutputWindows(context);
  }

  @AfterEach
  void close() {
    ranks.close();
  }

  private static Tensor tensor(OutputPlace place, int rows) {
    return Tensor.of(place.rows(), DType.BF16, rows, HIDDEN);
  }

  /// What a combine does with a window that it was given.
  private void combine(int window) {
    beginEpoch();
    windows.publish(window);
  }

  private void beginEpoch() {
    context.protocol.begin();
    context.protocol.observe(0);
    context.protocol.observe(1);
  }

  private void pulled(int rank, long epoch) {
    ranks.contexts[rank].board.publishPulled(epoch);
  }

  @Test
  void aPlaceHasRoomForTheWorstCaseAndLiesInItsWindow() {
    for (int window = 0; window < 2; window++) {
      OutputPlace place = windows.lend(TOPK);
      assertThat(place.window()).isEqualTo(window);
      assertThat(place.rows().byteSize()).isEqualTo(10 * HIDDEN * 2);
      assertThat(place.weights().byteSize()).isEqualTo(10 * TOPK * 4);
      long start = ranks.pages[0].address() + ranks.layout.output(window);
      assertThat(place.rows().address()).isEqualTo(start);
      assertThat(place.weights().address()).isEqualTo(start + ranks.layout.outputWeights);
      assertThat(set.holder(window)).isEqualTo(Holder.LEASE);
    }
  }

  @Test
  void aThirdPlaceIsAnErrorThatNamesTheWindows() {
    windows.lend(TOPK);
    windows.lend(TOPK);
    assertThatThrownBy(() -> windows.lend(TOPK))
        .isInstanceOf(LeaseException.class)
        .hasMessage(
            "every expert-output window is handed out: rank=0,"
                + " windows=[0:LEASE@epoch0, 1:LEASE@epoch0],"
                + " remedy=combine or close a CombineBuffer");
  }

  @Test
  void aPlaceThatWasGivenBackIsLentAgain() {
    OutputPlace first = windows.lend(TOPK);
    set.endLease(first.window(), first.ticket());
    OutputPlace second = windows.lend(TOPK);
    assertThat(second.window()).isEqualTo(first.window());
    // Closing the first again must not take the second away.
    set.endLease(first.window(), first.ticket());
    assertThat(set.holder(second.window())).isEqualTo(Holder.LEASE);
  }

  @Test
  void aTensorAtTheStartOfALentWindowIsClaimedOnce() {
    windows.lend(TOPK);
    OutputPlace place = windows.lend(TOPK);
    Tensor y = tensor(place, 4);
    assertThat(windows.claim(y)).isEqualTo(1);
    assertThat(set.holder(1)).isEqualTo(Holder.CALL);
    assertThatThrownBy(() -> windows.claim(y))
        .isInstanceOf(LeaseException.class)
        .hasMessageContaining("rank=0, window=1");
  }

  @Test
  void otherTensorsAreNotClaimed() {
    OutputPlace place = windows.lend(TOPK);
    Tensor behind = Tensor.of(place.rows().asSlice(HIDDEN * 2), DType.BF16, 4, HIDDEN);
    assertThat(windows.claim(behind)).isEqualTo(-1);
    Tensor strided =
        Tensor.strided(place.rows(), DType.BF16, new long[] {3, 8}, new long[] {HIDDEN, 1});
    assertThat(windows.claim(strided)).isEqualTo(-1);
    Tensor elsewhere = Tensor.allocate(ranks.arena, DType.BF16, 4, HIDDEN);
    assertThat(windows.claim(elsewhere)).isEqualTo(-1);
    assertThat(set.holder(place.window())).isEqualTo(Holder.LEASE);
  }

  @Test
  void aClaimThatWasWithdrawnGoesBackToItsLease() {
    OutputPlace place = windows.lend(TOPK);
    windows.claim(tensor(place, 4));
    windows.withdraw(place.window());
    assertThat(set.holder(place.window())).isEqualTo(Holder.LEASE);
    windows.claim(tensor(place, 4));
    set.endLease(place.window(), place.ticket());
    windows.withdraw(place.window());
    assertThat(set.holder(place.window())).isEqualTo(Holder.FREE);
  }

  @Test
  void aWindowIsFreeOnceEveryReaderPulledIt() {
    int first = windows.acquire();
    combine(first);
    int second = windows.acquire();
    combine(second);
    pulled(0, 2);
    pulled(1, 1);
    // Both pulled epoch 1, so the first is free; the second is still read by rank 1.
    assertThat(windows.acquire()).isEqualTo(first);
    assertThat(set.holder(second)).isEqualTo(Holder.READERS);
    pulled(1, 2);
    assertThat(windows.acquire()).isEqualTo(second);
  }

  @Test
  void aReaderThatNeverPullsIsNamed() {
    close();
    open(Duration.ofMillis(120));
    combine(windows.acquire());
    combine(windows.acquire());
    pulled(0, 2);
    assertThatThrownBy(windows::acquire)
        .isInstanceOf(WaitTimeoutException.class)
        .hasMessageContaining("rank=0, peer=1, phase=PULL, expected=1, seen=0");
  }

  @Test
  void acquiringWaitsForTheReadersOfTheOldest() throws Exception {
    int first = windows.acquire();
    combine(first);
    combine(windows.acquire());
    pulled(0, 2);
    Thread reader = Thread.ofPlatform().unstarted(() -> pulled(1, 1));
    reader.start();
    assertThat(windows.acquire()).isEqualTo(first);
    reader.join();
  }

  @Test
  void aHandedOutWindowIsNotWaitedFor() {
    combine(windows.acquire());
    windows.lend(TOPK);
    pulled(0, 1);
    pulled(1, 1);
    assertThat(windows.acquire()).isZero();
    assertThatThrownBy(windows::acquire).isInstanceOf(LeaseException.class);
  }
}
