package io.crossdock.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.CombineConfig;
import io.crossdock.core.CombineFormat;
import io.crossdock.core.DType;
import io.crossdock.core.DispatchConfig;
import io.crossdock.core.Layout;
import io.crossdock.core.LowLatencyFormat;
import io.crossdock.core.Mode;
import io.crossdock.core.Tensor;
import io.crossdock.core.group.GroupOptions;
import io.crossdock.core.group.InProcessGroup;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.core.protocol.HandleData;
import io.crossdock.core.spi.CombineCall;
import io.crossdock.core.spi.DispatchCall;
import io.crossdock.core.spi.EngineSession;
import io.crossdock.core.spi.LowLatencyCombineCall;
import io.crossdock.core.spi.LowLatencyDispatchCall;
import io.crossdock.core.spi.LowLatencySession;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.WeakReference;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// A session holds nothing of the caller's once a call is over, however it ended.
@Timeout(90)
class ForgottenCallsTest {
  private static final int NUM_EXPERTS = 8;
  private static final int TOKENS = 3;
  private static final int HIDDEN = 8;
  private static final int ROWS_BYTES = TOKENS * HIDDEN * 2;
  private static final int MOST_COLLECTIONS = 50;

  /// Experts of both ranks, if there are two.
  private static final long[] CHOICES = {1, 5, 6};

  private final StubProvider carrying =
      new StubProvider((_, _) -> new CarryingTransport(this::region));

  private MemorySegment region(int rank) {
    return carrying.opened(rank).getFirst().region();
  }

  /// What a rank does with its session, and how it meets the others.
  ///
  /// Confined to the thread of the rank.
  private interface Use {
    void run(EngineSession session, Runnable meet);
  }

  /// Memory of the caller, and what is left of it.
  private static final class Caller {
    private final List<WeakReference<byte[]>> memory = new ArrayList<>();

    /// As many rows as two ranks have tokens.
    MemorySegment rows() {
      byte[] rows = new byte[2 * ROWS_BYTES];
      memory.add(new WeakReference<>(rows));
      return MemorySegment.ofArray(rows);
    }

    void expectForgotten(int expected) {
      assertThat(memory).hasSize(expected);
      for (int i = 0; i < MOST_COLLECTIONS && isThere(); i++) {
        System.gc();
      }
      assertThat(memory).allMatch(rows -> rows.refersTo(null), "is held by nobody");
    }

    private boolean isThere() {
      return memory.stream().anyMatch(rows -> !rows.refersTo(null));
    }
  }

  private static BufferSpec spec(Mode mode) {
    return BufferSpec.builder()
        .mode(mode)
        .numMaxTokensPerRank(TOKENS)
        .hidden(HIDDEN)
        .topk(1)
        .numExperts(NUM_EXPERTS)
        .hostTimeout(Duration.ofSeconds(20))
        .build();
  }

  private static void alone(Mode mode, Use use) {
    try (ProcessGroup group = InProcessGroup.create(1, GroupOptions.defaults()).getFirst();
        EngineSession session = new HostEngine().openSession(spec(mode), group)) {
      use.run(session, group::barrier);
    }
  }

  /// Two nodes of one rank each.
  private void overNodes(Use use) throws Exception {
    List<ProcessGroup> groups = InProcessGroup.create(2, GroupOptions.defaults().withNumNodes(2));
    try (ExecutorService threads = Executors.newFixedThreadPool(2)) {
      List<Future<?>> ranks = new ArrayList<>();
      for (ProcessGroup group : groups) {
        ranks.add(threads.submit(() -> runRank(group, use)));
      }
      for (Future<?> rank : ranks) {
        rank.get(60, TimeUnit.SECONDS);
      }
    }
    groups.forEach(ProcessGroup::close);
  }

  private void runRank(ProcessGroup group, Use use) {
    HostEngine engine = new HostEngine(() -> carrying);
    try (EngineSession session = engine.openSession(spec(Mode.NORMAL), group)) {
      use.run(session, group::barrier);
      group.barrier();
    }
  }

  private static Tensor rows(MemorySegment memory) {
    return Tensor.of(memory, DType.BF16, TOKENS, HIDDEN);
  }

  private static Tensor choices(long... ids) {
    return Tensor.of(MemorySegment.ofArray(ids), DType.I64, ids.length, 1);
  }

  /// Weights that are gone when they are read.
  private static Tensor vanished() {
    try (Arena arena = Arena.ofShared()) {
      return Tensor.of(arena.allocate(TOKENS * 4L, 4), DType.F32, TOKENS, 1);
    }
  }

  private static DispatchCall dispatch(EngineSession session, MemorySegment x, long... ids) {
    DispatchCall call = new DispatchCall();
    call.config = DispatchConfig.recommended(1);
    call.x = rows(x);
    call.topkIdx = choices(ids);
    int numRanks = session.lastWaits().length;
    Layout.Sizes sizes = new Layout.Sizes(TOKENS, numRanks, numRanks, NUM_EXPERTS);
    call.layout = Layout.allocate(Arena.ofAuto(), sizes);
    session.layout(call.topkIdx, call.layout);
    call.handle = session.newHandle();
    call.expertAlignment = 1;
    call.outputRows = Long.MAX_VALUE;
    return call;
  }

  private static HandleData dispatched(EngineSession session, long... ids) {
    DispatchCall call = dispatch(session, MemorySegment.ofArray(new byte[ROWS_BYTES]), ids);
    session.reserve(call);
    session.enter(call);
    session.place(call);
    return call.handle;
  }

  private static void failToPlace(EngineSession session, Caller caller) {
    DispatchCall call = dispatch(session, caller.rows(), CHOICES);
    call.topkWeights = vanished();
    session.reserve(call);
    // The other rank may have failed before this one saw that it had entered.
    assertThatThrownBy(
            () -> {
              session.enter(call);
              session.place(call);
            })
        .isInstanceOf(RuntimeException.class);
  }

  private static void failToCopyOut(EngineSession session, Caller caller) {
    DispatchCall call = dispatch(session, caller.rows(), CHOICES);
    call.owned = true;
    call.recvRows = caller.rows().asReadOnly();
    session.reserve(call);
    session.enter(call);
    assertThatThrownBy(() -> session.place(call))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("read-only");
  }

  private static CombineCall combine(EngineSession session, Caller caller, HandleData handle) {
    CombineCall call = new CombineCall();
    call.config = CombineConfig.recommended(1);
    call.handle = handle;
    call.y = Tensor.of(caller.rows(), DType.BF16, handle.numRecvRows(), HIDDEN);
    call.bias0 = rows(caller.rows());
    call.combinedX = rows(caller.rows());
    session.reserve(call);
    return call;
  }

  private static void combineWell(EngineSession session, Caller caller) {
    session.combine(combine(session, caller, dispatched(session, -1, -1, -1)));
  }

  private static void failToSum(EngineSession session, Caller caller, Runnable meet) {
    HandleData handle = dispatched(session, CHOICES);
    // No rank fails while another one is in the dispatch.
    meet.run();
    CombineCall call = combine(session, caller, handle);
    call.combinedX = rows(call.combinedX.segment().asReadOnly());
    assertThatThrownBy(() -> session.combine(call)).isInstanceOf(RuntimeException.class);
  }

  private static LowLatencyDispatchCall lowLatencyDispatch(LowLatencySession session) {
    LowLatencyDispatchCall call = new LowLatencyDispatchCall();
    call.x = rows(MemorySegment.ofArray(new byte[ROWS_BYTES]));
    call.topkIdx = choices(CHOICES);
    call.numMaxTokens = TOKENS;
    call.numExperts = NUM_EXPERTS;
    call.format = LowLatencyFormat.BF16;
    call.handle = session.newHandle();
    call.handle.numTokens = TOKENS;
    call.handle.numMaxTokens = TOKENS;
    call.handle.numExperts = NUM_EXPERTS;
    session.reserve(call);
    session.send(call);
    session.receive(call);
    return call;
  }

  private static void failToSumWeighted(LowLatencySession session, Caller caller) {
    LowLatencyDispatchCall dispatched = lowLatencyDispatch(session);
    LowLatencyCombineCall call = new LowLatencyCombineCall();
    MemorySegment y = dispatched.result.rows();
    call.y = Tensor.of(y, DType.BF16, NUM_EXPERTS, TOKENS, HIDDEN);
    call.topkIdx = dispatched.topkIdx;
    call.topkWeights = vanished();
    call.handle = dispatched.handle;
    call.format = CombineFormat.BF16;
    call.combinedX = rows(caller.rows());
    session.send(call);
    assertThatThrownBy(() -> session.receive(call)).isInstanceOf(IllegalStateException.class);
  }

  @Test
  void aDispatchThatFailsToPlaceIsForgotten() {
    alone(
        Mode.NORMAL,
        (session, _) -> {
          Caller caller = new Caller();
          failToPlace(session, caller);
          caller.expectForgotten(1);
        });
  }

  @Test
  void aDispatchThatFailsToCopyOutIsForgotten() {
    alone(
        Mode.NORMAL,
        (session, _) -> {
          Caller caller = new Caller();
          failToCopyOut(session, caller);
          caller.expectForgotten(2);
        });
  }

  /// Each rank fails by itself, or since the other one does.
  @Test
  void aDispatchOverNodesThatFailsIsForgotten() throws Exception {
    overNodes((session, _) -> {
      Caller caller = new Caller();
      failToPlace(session, caller);
      caller.expectForgotten(1);
    });
  }

  @Test
  void aCombineThatFailsIsForgotten() {
    alone(
        Mode.NORMAL,
        (session, meet) -> {
          Caller caller = new Caller();
          failToSum(session, caller, meet);
          caller.expectForgotten(3);
        });
  }

  @Test
  void aCombineOverNodesThatFailsIsForgotten() throws Exception {
    overNodes((session, meet) -> {
      Caller caller = new Caller();
      failToSum(session, caller, meet);
      caller.expectForgotten(3);
    });
  }

  /// There are outputs of no row, and biases are all that is summed.
  @Test
  void aCombineOfBiasesIsForgotten() {
    alone(
        Mode.NORMAL,
        (session, _) -> {
          Caller caller = new Caller();
          combineWell(session, caller);
          caller.expectForgotten(3);
        });
  }

  @Test
  void aLowLatencyCombineThatFailsIsForgotten() {
    alone(
        Mode.LOW_LATENCY,
        (session, _) -> {
          Caller caller = new Caller();
          failToSumWeighted(session.lowLatency(), caller);
          caller.expectForgotten(1);
        });
  }
}
