package io.crossdock.verify.engine;

import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.core.BufferClosedException;
import io.crossdock.core.BufferSpec;
import io.crossdock.core.CallOptions;
import io.crossdock.core.DType;
import io.crossdock.core.DispatchInput;
import io.crossdock.core.DispatchOptions;
import io.crossdock.core.DispatchResult;
import io.crossdock.core.Engines;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.Layout;
import io.crossdock.core.Placement;
import io.crossdock.core.Tensor;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.harness.RankThreads;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Closing a buffer while a call of another thread is in flight.
@Timeout(120)
class CloseTest {
  private static final int HIDDEN = 8;
  private static final BufferSpec SPEC =
      BufferSpec.builder().numMaxTokensPerRank(2).hidden(HIDDEN).topk(1).numExperts(2).build();

  /// Rank 0 is inside a dispatch that waits for rank 1 when another thread closes its buffer. The
  /// call was made before, so it is carried out, in full and on both ranks.
  @Test
  void aCallInFlightIsFinishedFirst() throws Exception {
    CountDownLatch closing = new CountDownLatch(1);
    RankThreads.run(
        2,
        group -> {
          EpBuffer buffer = EpBuffer.open(Engines.open("host"), SPEC, group);
          Thread closer = Thread.ofPlatform().unstarted(buffer::close);
          if (group.rank() == 0) {
            Thread caller = Thread.currentThread();
            Thread.ofPlatform()
                .start(() -> {
                  awaitParked(caller);
                  closer.start();
                  awaitParked(closer);
                  closing.countDown();
                });
          } else {
            closing.await();
          }
          checkDispatch(buffer);
          if (group.rank() == 0) {
            closer.join();
          }
          buffer.close();
        });
  }

  private static void awaitParked(Thread thread) {
    while (thread.getState() != Thread.State.TIMED_WAITING) {
      Thread.onSpinWait();
    }
  }

  /// Asynchronous, because then the call is made of two steps on the communication stream, and
  /// owned, because borrowed rows go with the buffer.
  private static void checkDispatch(EpBuffer buffer) {
    int rank = buffer.group().rank();
    try (Arena arena = Arena.ofShared()) {
      Tensor x = Tensor.allocate(arena, DType.BF16, 1, HIDDEN);
      x.segment().set(JAVA_SHORT_UNALIGNED, 0, (short) (rank + 1));
      Tensor topkIdx = Tensor.of(MemorySegment.ofArray(new long[] {1 - rank}), DType.I64, 1, 1);
      Layout layout = buffer.layout(topkIdx, 2);
      DispatchResult got =
          buffer.dispatch(
              DispatchInput.rows(x).withTopkIdx(topkIdx),
              layout,
              DispatchOptions.DEFAULT
                  .withCall(CallOptions.DEFAULT.async())
                  .withPlacement(Placement.owned(arena)));
      got.event().currentStreamWait();
      assertThat(got.recvX().segment().get(JAVA_SHORT_UNALIGNED, 0)).isEqualTo((short) (2 - rank));
    }
  }

  @Test
  void aCallAfterwardsIsRefused() throws Exception {
    RankThreads.run(
        1,
        (ProcessGroup group) -> {
          EpBuffer buffer = EpBuffer.open(Engines.open("host"), SPEC, group);
          buffer.close();
          buffer.close();
          for (int i = 0; i < 2; i++) {
            assertThatThrownBy(() -> checkDispatch(buffer))
                .isInstanceOf(BufferClosedException.class)
                .hasMessage("buffer is closed: rank=0");
          }
        });
  }
}
