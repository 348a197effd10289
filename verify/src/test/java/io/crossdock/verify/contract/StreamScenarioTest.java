package io.crossdock.verify.contract;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.core.DispatchHandle;
import io.crossdock.core.DispatchInput;
import io.crossdock.core.DispatchResult;
import io.crossdock.core.EngineUnavailableException;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.RecordedCalls;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.contract.ContractCase.Flow;
import io.crossdock.verify.contract.ContractCase.Options;
import io.crossdock.verify.contract.ContractCase.Routing;
import io.crossdock.verify.contract.ContractCase.Rows;
import io.crossdock.verify.harness.EngineUnderTest;
import io.crossdock.verify.harness.NodesUnderTest;
import io.crossdock.verify.harness.RankThreads;
import java.lang.foreign.Arena;
import java.lang.ref.Reference;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/// Barriers, streams of the buffer's own making, and recorded calls.
class StreamScenarioTest {
  private static final int ROUNDS = 20;
  private static final List<Integer> TOKENS = List.of(40, 0, 13, 29);

  private static int numRanks() {
    return NodesUnderTest.ranks(3);
  }

  private static ContractCase test() {
    return new ContractCase(
        11,
        TOKENS.subList(0, numRanks()),
        256,
        12,
        4,
        Rows.BF16,
        Routing.UNIFORM,
        Flow.SYNCHRONOUS,
        new Options(false, true, false, true, true, false, true, 1, 0, 0, 0, 1, 1, 4));
  }

  /// What a rank does with its buffer.
  private interface Body {
    void run(EpBuffer buffer, ContractRun calls);
  }

  private static void onAllRanks(Body body) throws Exception {
    ContractCase test = test();
    RankThreads.run(numRanks(), group -> onRank(test, group, body));
  }

  private static void onRank(ContractCase test, ProcessGroup group, Body body) {
    try (Arena arena = Arena.ofShared();
        EpBuffer buffer = EpBuffer.open(EngineUnderTest.open(), test.spec(), group)) {
      body.run(buffer, new ContractRun(test, buffer, arena));
    }
  }

  @Test
  void nobodyPassesBarrierBeforeAllCame() throws Exception {
    AtomicInteger came = new AtomicInteger();
    int numRanks = numRanks();
    onAllRanks((buffer, calls) -> {
      for (int round = 1; round <= ROUNDS; round++) {
        pauseMillis(buffer.group().rank() == round % numRanks ? 5 : 0);
        came.incrementAndGet();
        buffer.barrier();
        assertThat(came.get()).isGreaterThanOrEqualTo(round * numRanks);
      }
    });
    assertThat(came).hasValue(numRanks * ROUNDS);
  }

  private static void pauseMillis(long millis) {
    try {
      Thread.sleep(millis);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Test
  void callsBetweenBarriersOnAnOwnStreamAreRight() throws Exception {
    onAllRanks((buffer, calls) -> {
      AtomicInteger rounds = new AtomicInteger();
      buffer.onOwnStream(() -> {
        for (int round = 0; round < ROUNDS; round++) {
          buffer.barrier();
          calls.once();
          rounds.incrementAndGet();
        }
      });
      calls.once();
      assertThat(rounds).hasValue(ROUNDS);
    });
  }

  @Test
  void whatWorkOnAnOwnStreamThrowsIsThrown() throws Exception {
    onAllRanks((buffer, calls) -> {
      IllegalStateException thrown = new IllegalStateException("of the work");
      assertThatThrownBy(() ->
              buffer.onOwnStream(() -> {
                throw thrown;
              }))
          .isSameAs(thrown);
      calls.once();
    });
  }

  @Test
  void recordedCallsGiveTheSameBytesBetweenOthers() throws Exception {
    onAllRanks((buffer, calls) -> {
      if (EngineUnderTest.isCuda()) {
        assertThatThrownBy(() -> buffer.record(() -> {}))
            .isInstanceOf(InvalidInputException.class)
            .hasMessageContaining("remedy=");
        buffer.onOwnStream(() -> replay(buffer, calls));
      } else {
        assertThatThrownBy(() -> buffer.record(() -> {}))
            .isInstanceOf(EngineUnavailableException.class);
      }
      calls.once();
    });
  }

  private static void replay(EpBuffer buffer, ContractRun calls) {
    DispatchHandle handle;
    try (DispatchResult fresh = calls.dispatch()) {
      handle = fresh.handle();
    }
    DispatchInput rows = calls.otherRows();
    DispatchResult[] kept = new DispatchResult[1];
    buffer.group().barrier();
    try (RecordedCalls recorded = buffer.record(() -> kept[0] = calls.startCached(rows, handle));
        DispatchResult result = kept[0]) {
      buffer.group().barrier();
      for (int round = 0; round < ROUNDS; round++) {
        recorded.replay();
        calls.checkCached(result);
        calls.combine(handle);
        buffer.check();
      }
    } finally {
      Reference.reachabilityFence(rows);
    }
  }
}
