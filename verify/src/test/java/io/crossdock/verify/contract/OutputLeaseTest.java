package io.crossdock.verify.contract;

import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.CallOptions;
import io.crossdock.core.CombineBuffer;
import io.crossdock.core.CombineInput;
import io.crossdock.core.CombineOptions;
import io.crossdock.core.CombineResult;
import io.crossdock.core.CrossdockException;
import io.crossdock.core.DType;
import io.crossdock.core.DispatchHandle;
import io.crossdock.core.DispatchInput;
import io.crossdock.core.DispatchOptions;
import io.crossdock.core.DispatchResult;
import io.crossdock.core.EngineMemory;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.EventOverlap;
import io.crossdock.core.ExecutionStream;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.Placement;
import io.crossdock.core.RefusedException;
import io.crossdock.core.Tensor;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.harness.EngineUnderTest;
import io.crossdock.verify.harness.NodesUnderTest;
import io.crossdock.verify.harness.RankThreads;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

/// Who owns an expert-output buffer, and until when. Every token goes to the experts of one rank
/// only, so that what comes home is what that rank put in.
class OutputLeaseTest {
  private static final int TOKENS = 8;
  private static final int HIDDEN = 64;
  private static final CombineOptions ASYNC =
      CombineOptions.DEFAULT.withCall(CallOptions.DEFAULT.async());

  private static int numRanks() {
    return NodesUnderTest.ranks(3);
  }

  private static BufferSpec spec(int outputWindows, long capacityRows) {
    return BufferSpec.builder()
        .numMaxTokensPerRank(TOKENS)
        .hidden(HIDDEN)
        .topk(1)
        .numExperts(numRanks())
        .windows(1, outputWindows)
        .capacityRows(capacityRows)
        .build();
  }

  /// Sends the given number of tokens to rank 1 and all others to rank 0.
  private static DispatchHandle dispatch(EpBuffer buffer, int toRank1) {
    EngineMemory memory = buffer.memory();
    Tensor ids = Tensor.allocate(Arena.ofAuto(), DType.I64, TOKENS, 1);
    for (int token = 0; token < TOKENS; token++) {
      ids.segment().set(JAVA_LONG_UNALIGNED, token * 8L, token < toRank1 ? 1 : 0);
    }
    Tensor topkIdx = memory.toDevice(ids);
    Tensor weights = memory.toDevice(Tensor.allocate(Arena.ofAuto(), DType.F32, TOKENS, 1));
    int numExperts = buffer.group().size();
    DispatchResult result =
        buffer.dispatch(
            DispatchInput.of(rows(buffer, TOKENS, 1), topkIdx, weights),
            buffer.layout(topkIdx, numExperts),
            DispatchOptions.DEFAULT.withPlacement(Placement.owned(memory.allocator())));
    return result.handle();
  }

  private static Tensor rows(EpBuffer buffer, long numRows, int value) {
    return buffer.memory().toDevice(hostRows(numRows, value));
  }

  private static Tensor hostRows(long numRows, int value) {
    Tensor rows = Tensor.allocate(Arena.ofAuto(), DType.BF16, numRows, HIDDEN);
    short bits = (short) (Float.floatToIntBits(value) >>> 16);
    for (long i = 0; i < numRows * HIDDEN; i++) {
      rows.segment().set(JAVA_SHORT_UNALIGNED, i * 2, bits);
    }
    return rows;
  }

  private static void fill(EpBuffer buffer, CombineBuffer place, int value) {
    buffer.memory().copy(hostRows(place.tensor().size(0), value), place.tensor());
  }

  private static void expect(EpBuffer buffer, CombineResult home, int value) {
    home.event().currentStreamWait();
    MemorySegment got = buffer.memory().toHost(home.combinedX()).segment();
    assertThat(got.mismatch(hostRows(TOKENS, value).segment())).isEqualTo(-1);
  }

  @Test
  void aBufferMayBeClosedBeforeItsCombineIsComplete() throws Exception {
    RankThreads.run(numRanks(), OutputLeaseTest::closeEarly);
  }

  /// A staged combine that is held up takes a window only when the zero-copy one behind it was made
  /// and its buffer closed.
  private static void closeEarly(ProcessGroup group) {
    CompletableFuture<Void> released = new CompletableFuture<>();
    try (EpBuffer buffer =
            EpBuffer.open(EngineUnderTest.open(), spec(2, (long) numRanks() * TOKENS), group);
        ExecutionStream stream = ExecutionStream.create("gate")) {
      DispatchHandle handle = dispatch(buffer, 3);
      EventOverlap gate = stream.submit(released::join);
      CombineResult staged;
      CombineResult zeroCopy;
      try (CombineBuffer place = buffer.combineBuffer(handle)) {
        fill(buffer, place, 2);
        CombineOptions gated = ASYNC.withCall(CallOptions.DEFAULT.async().after(gate));
        CombineInput other = CombineInput.of(rows(buffer, handle.numOutputRows(), 3));
        staged = buffer.combine(other, handle, gated);
        zeroCopy = buffer.combine(CombineInput.of(place.tensor()), handle, ASYNC);
      }
      released.complete(null);
      expect(buffer, staged, 3);
      expect(buffer, zeroCopy, 2);
    }
  }

  @Test
  void aRefusedCombineGivesTheBufferBack() throws Exception {
    RankThreads.run(numRanks(), OutputLeaseTest::refuseAndRetry);
  }

  private static void refuseAndRetry(ProcessGroup group) {
    try (EpBuffer buffer =
        EpBuffer.open(EngineUnderTest.open(), spec(1, (long) numRanks() * TOKENS), group)) {
      DispatchHandle handle = dispatch(buffer, 3);
      CombineBuffer place = buffer.combineBuffer(handle);
      fill(buffer, place, 5);
      CombineInput input = CombineInput.of(place.tensor());
      boolean guilty = group.rank() == 2;
      CombineInput wrong =
          guilty ? CombineInput.of(rows(buffer, 1, 1)).withBias(rows(buffer, 1, 1)) : input;
      Class<? extends CrossdockException> expected =
          guilty ? InvalidInputException.class : RefusedException.class;
      assertThatThrownBy(() -> buffer.combine(wrong, handle)).isInstanceOf(expected);
      expect(buffer, buffer.combine(input, handle), 5);
      place.close();
      buffer.combineBuffer(handle).close();
    }
  }

  @Test
  void aBufferServesACombineInRounds() throws Exception {
    RankThreads.run(numRanks(), OutputLeaseTest::combineInRounds);
  }

  /// Rank 0 gets more rows than its windows take; rank 1 has its one window handed out.
  private static void combineInRounds(ProcessGroup group) {
    try (EpBuffer buffer = EpBuffer.open(EngineUnderTest.open(), spec(1, 4), group)) {
      DispatchHandle handle = dispatch(buffer, 1);
      if (group.rank() == 0) {
        CombineInput staged = CombineInput.of(rows(buffer, handle.numOutputRows(), 7));
        expect(buffer, buffer.combine(staged, handle), 7);
        assertThat(buffer.lastCall().numRounds())
            .isEqualTo(Math.ceilDiv(buffer.group().size() * (TOKENS - 1), 4));
        return;
      }
      CombineBuffer place = buffer.combineBuffer(handle);
      fill(buffer, place, 7);
      expect(buffer, buffer.combine(CombineInput.of(place.tensor()), handle), 7);
      buffer.combineBuffer(handle).close();
    }
  }
}
