package io.crossdock.verify.contract;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.core.DispatchHandle;
import io.crossdock.core.DispatchResult;
import io.crossdock.core.Engine;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.EventOverlap;
import io.crossdock.core.ExecutionStream;
import io.crossdock.core.LeaseException;
import io.crossdock.core.RefusedException;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.contract.ContractCase.Flow;
import io.crossdock.verify.contract.ContractCase.Options;
import io.crossdock.verify.contract.ContractCase.Routing;
import io.crossdock.verify.contract.ContractCase.Rows;
import io.crossdock.verify.harness.EngineUnderTest;
import io.crossdock.verify.harness.RankThreads;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Sequences of calls as models make them.
class ScenarioTest {
  private static final Options PLAIN =
      new Options(false, true, false, true, true, false, true, 1, 0, 0, 0, 1, 1, 32);
  private static final Options OWNED =
      new Options(true, false, true, true, true, false, true, 1, 0, 1, 0, 2, 2, 7);

  private static ContractCase plain(List<Integer> tokens, Rows rows, Options options) {
    int experts = tokens.size() * 4;
    return new ContractCase(
        42, tokens, 256, experts, 4, rows, Routing.UNIFORM, Flow.SYNCHRONOUS, options);
  }

  @ParameterizedTest
  @EnumSource(Rows.class)
  void twentyRepetitionsGiveTheSameBytes(Rows rows) throws Exception {
    for (Options options : List.of(PLAIN, OWNED)) {
      ContractCase test = plain(List.of(65, 33, 0), rows, options);
      RankThreads.run(3, group -> ContractRun.run(EngineUnderTest.NAME, test, 20, group));
    }
  }

  @Test
  void fiftyCachedDispatchesInWhichOneRankReceivesNothing() throws Exception {
    ContractCase test =
        new ContractCase(
            7,
            List.of(40, 1, 13),
            128,
            12,
            3,
            Rows.BF16,
            Routing.ONE_RANK_GETS_NOTHING,
            Flow.SYNCHRONOUS,
            PLAIN);
    RankThreads.run(3, group -> cachedRounds(test, group, 50));
  }

  private static void cachedRounds(ContractCase test, ProcessGroup group, int rounds) {
    try (Arena arena = Arena.ofShared();
        EpBuffer buffer = EpBuffer.open(EngineUnderTest.open(), test.spec(), group)) {
      ContractRun run = new ContractRun(test, buffer, arena);
      DispatchHandle handle;
      try (DispatchResult fresh = run.dispatch()) {
        handle = fresh.handle();
      }
      boolean idle = group.rank() == 1;
      assertThat(handle.numRecvTokens() == 0).isEqualTo(idle);
      for (int i = 0; i < rounds; i++) {
        run.cached(handle);
      }
      run.combine(handle);
    }
  }

  @Test
  void eightLayersForwardThenBackwardInReverse() throws Exception {
    ContractCase test = plain(List.of(31, 0, 64, 17), Rows.BF16, PLAIN);
    RankThreads.run(4, group -> trainingStep(test, group));
  }

  private static void trainingStep(ContractCase test, ProcessGroup group) {
    try (Arena arena = Arena.ofShared();
        EpBuffer buffer = EpBuffer.open(EngineUnderTest.open(), test.spec(), group)) {
      List<ContractRun> layers = new ArrayList<>();
      List<DispatchHandle> handles = new ArrayList<>();
      for (int layer = 0; layer < 8; layer++) {
        ContractRun run = new ContractRun(test.withSeed(100 + layer), buffer, arena);
        layers.add(run);
        try (DispatchResult fresh = run.dispatch()) {
          handles.add(fresh.handle());
          run.combine(fresh.handle());
        }
      }
      for (int layer = 7; layer >= 0; layer--) {
        layers.get(layer).cached(handles.get(layer));
        layers.get(layer).combine(handles.get(layer));
      }
    }
  }

  @Test
  void twoBuffersOnTwoStreamsDoNotDisturbEachOther() throws Exception {
    ContractCase first = plain(List.of(50, 20, 35), Rows.BF16, PLAIN);
    ContractCase second = plain(List.of(9, 60, 1), Rows.FP8_F32, OWNED).withSeed(43);
    RankThreads.run(3, group -> onTwoStreams(first, second, group));
  }

  private static void onTwoStreams(ContractCase first, ContractCase second, ProcessGroup group) {
    Engine engine = EngineUnderTest.open();
    try (Arena arena = Arena.ofShared();
        EpBuffer one = EpBuffer.open(engine, first.spec(), group);
        EpBuffer two = EpBuffer.open(engine, second.spec(), group);
        ExecutionStream left = ExecutionStream.create("left-" + group.rank());
        ExecutionStream right = ExecutionStream.create("right-" + group.rank())) {
      ContractRun a = new ContractRun(first, one, arena);
      ContractRun b = new ContractRun(second, two, arena);
      EventOverlap lastLeft = EventOverlap.COMPLETED;
      EventOverlap lastRight = EventOverlap.COMPLETED;
      for (int i = 0; i < 25; i++) {
        lastLeft = left.submit(a::once);
        lastRight = right.submit(b::once);
      }
      lastLeft.currentStreamWait();
      lastRight.currentStreamWait();
    }
  }

  @Test
  void aLeaseHeldOnOneRankOnlyKeepsItsBytesAndIsNamedWhenWindowsRunOut() throws Exception {
    ContractCase test = plain(List.of(30, 41, 5), Rows.BF16, PLAIN);
    RankThreads.run(3, group -> holdLease(test, group));
  }

  private static void holdLease(ContractCase test, ProcessGroup group) {
    boolean holder = group.rank() == 1;
    try (Arena arena = Arena.ofShared();
        EpBuffer buffer = EpBuffer.open(EngineUnderTest.open(), test.spec(), group)) {
      ContractRun kept = new ContractRun(test, buffer, arena);
      ContractRun next = new ContractRun(test.withSeed(77), buffer, arena);
      DispatchResult live = kept.dispatch();
      if (!holder) {
        live.close();
      }
      for (int i = 0; i < 5; i++) {
        next.once();
      }
      DispatchResult second = next.dispatch();
      if (holder) {
        kept.checkFresh(live);
        assertThatThrownBy(next::dispatch)
            .isInstanceOf(LeaseException.class)
            .hasMessageContaining("rank=1")
            .hasMessageContaining("LEASE");
        kept.checkFresh(live);
        next.checkFresh(second);
        live.close();
      } else {
        second.close();
        assertThatThrownBy(next::dispatch)
            .isInstanceOf(RefusedException.class)
            .hasMessageContaining("peer=1");
      }
      next.once();
      second.close();
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 128})
  void combineMayFollowAnAsynchronousDispatchAtOnce(int worstTokens) throws Exception {
    Options options =
        new Options(true, false, false, true, true, false, true, 1, worstTokens, 0, 0, 1, 1, 32);
    ContractCase test =
        new ContractCase(
            9, List.of(40, 24, 3), 256, 12, 4, Rows.BF16, Routing.UNIFORM, Flow.ASYNC, options);
    RankThreads.run(3, group -> unawaited(test, group));
  }

  private static void unawaited(ContractCase test, ProcessGroup group) {
    try (Arena arena = Arena.ofShared();
        EpBuffer buffer = EpBuffer.open(EngineUnderTest.open(), test.spec(), group)) {
      for (int i = 0; i < 20; i++) {
        ContractRun run = new ContractRun(test.withSeed(200 + i), buffer, arena);
        ContractRun other = new ContractRun(test.withSeed(500 + i), buffer, arena);
        try (DispatchResult fresh = run.start()) {
          other.layout();
          run.combine(fresh.handle());
          run.checkFresh(fresh);
        }
      }
    }
  }
}
