package io.crossdock.verify.contract.lowlatency;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.core.CombineFormat;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.LeaseException;
import io.crossdock.core.LowLatencyCompletion;
import io.crossdock.core.LowLatencyFormat;
import io.crossdock.core.RecvHook;
import io.crossdock.core.RefusedException;
import io.crossdock.core.Tensor;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.CombineChoice;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.DispatchChoice;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Experts;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Place;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Routing;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Sizes;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Style;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Values;
import io.crossdock.verify.contract.lowlatency.LowLatencyRun.Combined;
import io.crossdock.verify.contract.lowlatency.LowLatencyRun.Dispatched;
import io.crossdock.verify.harness.EngineUnderTest;
import io.crossdock.verify.harness.ExactCalls;
import io.crossdock.verify.harness.NodesUnderTest;
import io.crossdock.verify.harness.RankThreads;
import java.lang.foreign.Arena;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Sequences of low-latency calls as models make them.
class LowLatencyScenarioTest {
  private static final int ROUNDS = 10;
  private static final LowLatencyCompletion HOOK = LowLatencyCompletion.RECV_HOOK;

  private static final List<Integer> TOKENS = List.of(17, 5, 0, 11);

  private final LowLatencyExpected firstCase = plain(1, LowLatencyFormat.FP8, Place.TENSOR);
  private final LowLatencyExpected secondCase =
      plain(2, LowLatencyFormat.BF16, Place.COMBINE_BUFFER);
  private final LowLatencyExpected thirdCase = plain(3, LowLatencyFormat.FP8_UE8M0, Place.TENSOR);

  private static int numRanks() {
    return NodesUnderTest.ranks(3);
  }

  /// {@return a small case of all ranks; all cases fit into the same buffers}
  private static LowLatencyExpected plain(long seed, LowLatencyFormat format, Place place) {
    return LowLatencyExpected.of(
        new LowLatencyCase(
            seed,
            new Sizes(TOKENS.subList(0, numRanks()), 17, 0, 256, 12, 4),
            Routing.UNIFORM,
            Values.NORMAL,
            new DispatchChoice(format, LowLatencyCompletion.SYNCHRONOUS, true, true, false, 1),
            new CombineChoice(
                CombineFormat.BF16,
                LowLatencyCompletion.SYNCHRONOUS,
                place,
                true,
                true,
                false,
                false,
                Experts.SCALED),
            new Style(true, false)));
  }

  /// What a rank does with its buffer.
  private interface Body {
    void run(EpBuffer buffer, Arena arena);
  }

  private void onAllRanks(Body body) throws Exception {
    RankThreads.run(numRanks(), group -> onRank(group, body));
  }

  private void onRank(ProcessGroup group, Body body) {
    try (Arena arena = Arena.ofShared();
        EpBuffer buffer = open(group)) {
      body.run(buffer, arena);
    }
  }

  private EpBuffer open(ProcessGroup group) {
    return EpBuffer.open(EngineUnderTest.open(), firstCase.test().plainSpec().build(), group);
  }

  @ParameterizedTest
  @EnumSource(LowLatencyFormat.class)
  void twentyRepetitionsGiveTheSameBytes(LowLatencyFormat format) throws Exception {
    LowLatencyExpected expected = plain(4, format, Place.TENSOR);
    RankThreads.run(
        numRanks(), group -> LowLatencyRun.run(EngineUnderTest.open(), expected, 20, group));
  }

  @ParameterizedTest
  @EnumSource(LowLatencyCompletion.class)
  void twoMicroBatchesAreAliveAtOnce(LowLatencyCompletion completion) throws Exception {
    onAllRanks((buffer, arena) -> {
      LowLatencyRun a = new LowLatencyRun(firstCase, buffer, arena);
      LowLatencyRun b = new LowLatencyRun(secondCase, buffer, arena);
      for (int round = 0; round < ROUNDS; round++) {
        microBatches(a, b, completion, round % 2 == 0);
      }
    });
  }

  /// The receive halves come in the order of the send halves, or the other way round.
  private static void microBatches(
      LowLatencyRun a, LowLatencyRun b, LowLatencyCompletion completion, boolean reversed) {
    Dispatched first = a.dispatch(completion);
    Dispatched second = b.dispatch(completion);
    if (reversed) {
      b.finish(second);
      a.finish(first);
    } else {
      a.finish(first);
      b.finish(second);
    }
    Combined firstSums = a.combine(first, a.check(first), completion);
    Combined secondSums = b.combine(second, b.check(second), completion);
    a.check(first);
    b.check(second);
    if (reversed) {
      b.finish(secondSums);
      a.finish(firstSums);
    } else {
      a.finish(firstSums);
      b.finish(secondSums);
    }
    first.result().close();
    second.result().close();
  }

  @Test
  void aThirdLiveResultIsRefusedOnAllRanks() throws Exception {
    onAllRanks((buffer, arena) -> {
      LowLatencyRun a = new LowLatencyRun(firstCase, buffer, arena);
      LowLatencyRun b = new LowLatencyRun(secondCase, buffer, arena);
      LowLatencyRun c = new LowLatencyRun(thirdCase, buffer, arena);
      Dispatched first = a.dispatch();
      Dispatched second = b.dispatch();
      a.finish(first);
      b.finish(second);
      for (int attempt = 0; attempt < 3; attempt++) {
        assertThatThrownBy(c::dispatch).isInstanceOf(LeaseException.class);
        a.check(first);
        b.check(second);
      }
      second.result().close();
      c.once();
      a.finish(a.combine(first, a.check(first)));
      first.result().close();
      b.once();
    });
  }

  @Test
  void aThirdLiveResultOfOneRankIsToldToTheOthers() throws Exception {
    onAllRanks((buffer, arena) -> {
      boolean holder = buffer.group().rank() == 1;
      LowLatencyRun a = new LowLatencyRun(firstCase, buffer, arena);
      LowLatencyRun b = new LowLatencyRun(secondCase, buffer, arena);
      LowLatencyRun c = new LowLatencyRun(thirdCase, buffer, arena);
      Dispatched first = a.dispatch();
      Dispatched second = b.dispatch();
      a.finish(first);
      b.finish(second);
      if (holder) {
        assertThatThrownBy(c::dispatch).isInstanceOf(LeaseException.class);
        a.check(first);
        b.check(second);
      } else {
        second.result().close();
        assertThatThrownBy(c::dispatch)
            .isInstanceOf(RefusedException.class)
            .hasMessageContaining("peer=1");
        a.check(first);
      }
      second.result().close();
      c.once();
      a.finish(a.combine(first, a.check(first)));
      first.result().close();
      b.once();
    });
  }

  @Test
  void aHookThatDidNotRunHoldsTheCallAfterTheNextBack() throws Exception {
    onAllRanks((buffer, arena) -> {
      LowLatencyRun a = new LowLatencyRun(firstCase, buffer, arena);
      LowLatencyRun b = new LowLatencyRun(secondCase, buffer, arena);
      Dispatched first = a.dispatch(HOOK);
      Dispatched second = b.dispatch(HOOK);
      LowLatencyReceived ready = b.finish(second);
      assertThatThrownBy(() -> b.combine(second, ready)).isInstanceOf(LeaseException.class);
      a.finish(first);
      Combined sums = b.combine(second, b.check(second), HOOK);
      a.finish(a.combine(first, a.check(first)));
      b.finish(sums);
      first.result().close();
      second.result().close();
      a.once();
    });
  }

  @Test
  void aHookThatDidNotRunOnOneRankHoldsItBack() throws Exception {
    onAllRanks((buffer, arena) -> {
      boolean late = buffer.group().rank() == 2;
      LowLatencyRun a = new LowLatencyRun(firstCase, buffer, arena);
      LowLatencyRun b = new LowLatencyRun(secondCase, buffer, arena);
      Dispatched first = a.dispatch(HOOK);
      Dispatched second = b.dispatch(HOOK);
      LowLatencyReceived ready = b.finish(second);
      if (late) {
        assertThatThrownBy(() -> b.combine(second, ready)).isInstanceOf(LeaseException.class);
      }
      a.finish(first);
      b.finish(b.combine(second, ready));
      a.finish(a.combine(first, a.check(first)));
      first.result().close();
      second.result().close();
      a.once();
    });
  }

  /// By the same result, or by the next one of the same area.
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void thePlaceOfOutputsMayBeUsedAnewBeforeTheHookOfTheirCombineRuns(boolean closed)
      throws Exception {
    onAllRanks((buffer, arena) -> {
      LowLatencyRun run = new LowLatencyRun(secondCase, buffer, arena);
      for (int round = 0; round < ROUNDS; round++) {
        Dispatched first = run.dispatch();
        Combined sums = run.combine(first, run.finish(first), HOOK);
        Dispatched user = closed ? closeAndDispatch(run, first) : first;
        Tensor place = buffer.nextCombineBuffer(user.result().handle());
        buffer.memory().copy(run.tensors().garbage(place.dtype(), place.shape()), place);
        run.finish(sums);
        run.finish(run.combine(user, run.check(user)));
        user.result().close();
      }
    });
  }

  /// The one held back shares what the device knows of it with the one whose hook is to run.
  @Test
  void aZeroCopyCombineThatIsHeldBackLeavesNoTrace() throws Exception {
    onAllRanks((buffer, arena) -> {
      LowLatencyRun run = new LowLatencyRun(secondCase, buffer, arena);
      for (int round = 0; round < ROUNDS; round++) {
        Dispatched first = run.dispatch();
        Combined pending = run.combine(first, run.finish(first), HOOK);
        run.finish(run.combine(first, run.check(first)));
        LowLatencyReceived ready = run.check(first);
        assertThatThrownBy(() -> run.combine(first, ready)).isInstanceOf(LeaseException.class);
        run.finish(pending);
        run.finish(run.combine(first, run.check(first)));
        first.result().close();
      }
    });
  }

  private static Dispatched closeAndDispatch(LowLatencyRun run, Dispatched closed) {
    closed.result().close();
    Dispatched next = run.dispatch();
    run.finish(next);
    return next;
  }

  @Test
  void aResultClosedBeforeItsHookIsFreeAfterIt() throws Exception {
    onAllRanks((buffer, arena) -> {
      LowLatencyRun a = new LowLatencyRun(firstCase, buffer, arena);
      LowLatencyRun b = new LowLatencyRun(secondCase, buffer, arena);
      for (int round = 0; round < ROUNDS; round++) {
        Dispatched closed = a.dispatch(HOOK);
        closed.result().close();
        RecvHook hook = closed.result().recvHook().orElseThrow();
        hook.run();
        assertThat(hook.isDone()).isTrue();
        hook.run();
        Dispatched first = a.dispatch();
        Dispatched second = b.dispatch();
        closed.result().close();
        b.finish(second);
        a.finish(first);
        assertThatThrownBy(a::dispatch).isInstanceOf(LeaseException.class);
        first.result().close();
        second.result().close();
      }
    });
  }

  @Test
  void twoBuffersInTurnDoNotDisturbEachOther() throws Exception {
    RankThreads.run(
        numRanks(),
        group -> {
          try (Arena arena = Arena.ofShared();
              EpBuffer left = open(group);
              EpBuffer right = open(group)) {
            LowLatencyRun a = new LowLatencyRun(firstCase, left, arena);
            LowLatencyRun b = new LowLatencyRun(secondCase, right, arena);
            for (int round = 0; round < ROUNDS; round++) {
              microBatches(
                  a, b, round % 4 < 2 ? HOOK : LowLatencyCompletion.SYNCHRONOUS, round % 2 == 0);
              LowLatencyRun.once(thirdCase, round % 3 == 0 ? left : right);
            }
          }
        });
  }

  @Test
  void oneBufferServesBothModesInTurn() throws Exception {
    onAllRanks((buffer, arena) -> {
      ExactCalls normal = new ExactCalls(buffer);
      LowLatencyRun a = new LowLatencyRun(firstCase, buffer, arena);
      for (int round = 0; round < ROUNDS; round++) {
        normal.run(round);
        buffer.cleanLowLatencyBuffer();
        a.once();
        LowLatencyRun.once(secondCase, buffer);
        buffer.cleanLowLatencyBuffer();
      }
      normal.run(ROUNDS);
    });
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 4})
  void cleansInARowAreCallsOfTheirOwn(int cleans) throws Exception {
    onAllRanks((buffer, arena) -> {
      LowLatencyRun a = new LowLatencyRun(firstCase, buffer, arena);
      Dispatched first = a.dispatch();
      for (int i = 0; i < cleans; i++) {
        buffer.cleanLowLatencyBuffer();
      }
      a.finish(a.combine(first, a.finish(first)));
      first.result().close();
    });
  }

  @Test
  void waitsOfAllRanksAreGathered() throws Exception {
    onAllRanks((buffer, arena) -> {
      LowLatencyRun run = new LowLatencyRun(firstCase, buffer, arena);
      Dispatched dispatched = run.dispatch();
      run.finish(dispatched);
      long[] mine = run.tensors().longs(dispatched.waitStats());
      long[][] all = buffer.gatherWaits(dispatched.waitStats());
      assertThat(all).hasDimensions(numRanks(), numRanks());
      assertThat(all[buffer.group().rank()]).isEqualTo(mine);
      dispatched.result().close();
    });
  }
}
