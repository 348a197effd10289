package io.crossdock.verify.faults;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;
import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.CombineInput;
import io.crossdock.core.DType;
import io.crossdock.core.DispatchConfig;
import io.crossdock.core.DispatchInput;
import io.crossdock.core.DispatchOptions;
import io.crossdock.core.DispatchResult;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.Tensor;
import io.crossdock.core.format.Bf16;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// Large rows that say where they come from: every word of a row is made of its call, source and
/// token. Each row goes to every rank, which owns one expert.
///
/// Confined to the thread of the rank.
final class MarkedRows {
  private static final int MAX_TOKENS = 1 << 8;

  /// Four times 1.0.
  private static final long ONES = 0x3f80_3f80_3f80_3f80L;

  /// Small pieces, for all destinations in turn: it takes long from a row's first word to its last.
  private static final DispatchOptions OPTIONS =
      DispatchOptions.DEFAULT.withConfig(new DispatchConfig(1, 64, 1));

  private final EpBuffer buffer;
  private final int numRanks;
  private final int numTokens;
  private final long rowBytes;
  private final Tensor x;
  private final Tensor topkIdx;
  private final Tensor topkWeights;
  private final MemorySegment expected;

  MarkedRows(EpBuffer buffer) {
    this.buffer = buffer;
    this.numRanks = buffer.group().size();
    this.numTokens = buffer.spec().numMaxTokensPerRank();
    int hidden = buffer.spec().hidden();
    this.rowBytes = hidden * 2L;
    this.x = Tensor.allocate(Arena.ofAuto(), DType.BF16, numTokens, hidden);
    this.topkIdx = Tensor.allocate(Arena.ofAuto(), DType.I64, numTokens, numRanks);
    this.topkWeights = Tensor.allocate(Arena.ofAuto(), DType.F32, numTokens, numRanks);
    this.expected = Arena.ofAuto().allocate(rowBytes, 8);
    speak(true);
  }

  /// Sends rows from now on, or none.
  void speak(boolean speaks) {
    for (long i = 0; i < topkIdx.numElements(); i++) {
      topkIdx.segment().setAtIndex(JAVA_LONG, i, speaks ? i % numRanks : -1);
    }
  }

  private static long mark(long call, long source, long token) {
    return (call * MAX_TOKENS + source) * MAX_TOKENS + token;
  }

  /// Doubles what is there until all is.
  private static void fill(MemorySegment row, long mark) {
    row.set(JAVA_LONG, 0, mark);
    for (long done = 8; done < row.byteSize(); done *= 2) {
      long bytes = Math.min(done, row.byteSize() - done);
      MemorySegment.copy(row, 0, row, done, bytes);
    }
  }

  /// Writes this rank's rows of a call.
  void prepare(long call) {
    for (int token = 0; token < numTokens; token++) {
      MemorySegment row = x.segment().asSlice(token * rowBytes, rowBytes);
      fill(row, mark(call, buffer.group().rank(), token));
    }
  }

  /// Dispatches what was prepared last; collective.
  DispatchResult dispatch() {
    DispatchInput input = DispatchInput.of(x, topkIdx, topkWeights);
    return buffer.dispatch(input, buffer.layout(topkIdx, numRanks), OPTIONS);
  }

  /// Asserts that a result of all ranks' rows is whole, to the last word.
  void check(long call, DispatchResult got) {
    check(call, got, 0, numRanks);
  }

  /// Asserts the same of a result to which only one rank sent.
  void checkFrom(int speaker, long call, DispatchResult got) {
    check(call, got, speaker, 1);
  }

  private void check(long call, DispatchResult got, int firstSource, int numSources) {
    assertThat(got.numRecvTokens()).isEqualTo((long) numSources * numTokens);
    for (int row = 0; row < numSources * numTokens; row++) {
      fill(expected, mark(call, firstSource + row / numTokens, row % numTokens));
      assertThat(row(got, row).mismatch(expected)).as("call=%d, row=%d", call, row).isEqualTo(-1);
      assertThat(got.handle().sourceTokenIdx(row)).isEqualTo(row % numTokens);
    }
  }

  /// Combines outputs of 1 and asserts that each element is the number of ranks; collective.
  void checkCombine(DispatchResult got) {
    Tensor y = Tensor.allocate(Arena.ofAuto(), DType.BF16, got.recvX().shape());
    fill(y.segment(), ONES);
    Tensor sums = buffer.combine(CombineInput.of(y), got.handle()).combinedX();
    short sum = Bf16.fromFloat(numRanks);
    for (long i = 0; i < sums.numElements(); i++) {
      short element = sums.segment().getAtIndex(JAVA_SHORT, i);
      if (element != sum) {
        throw new AssertionError("wrong sum: index=" + i + ", got=" + Bf16.toFloat(element));
      }
    }
  }

  /// {@return a row of a result}
  MemorySegment row(DispatchResult got, int row) {
    return got.recvX().segment().asSlice(row * rowBytes, rowBytes);
  }
}
