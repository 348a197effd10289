package io.crossdock.cli;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import io.crossdock.core.DType;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.LowLatencyCombineOptions;
import io.crossdock.core.LowLatencyDispatchOptions;
import io.crossdock.core.LowLatencyDispatchResult;
import io.crossdock.core.Tensor;
import io.crossdock.core.format.Bf16;
import io.crossdock.core.format.Fp8Groups;
import io.crossdock.core.routing.CalcDiff;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// Compares a low-latency dispatch and combine with what the inputs of all ranks and the scalar
/// number formats give, before anything is timed. Every rank makes the inputs of all; at most
/// [BenchCheck#FIRST_TOKENS] tokens a rank are checked.
///
/// Confined to one thread.
final class LowLatencyCheck {
  private static final double LOGFMT_GATE = 1e-3;

  private final LowLatencyBenchTask task;
  private final EpBuffer buffer;
  private final int rank;
  private final int numRanks;
  private final int hidden;
  private final float[] got;
  private final float[] expected;
  private long checkedBytes;

  LowLatencyCheck(LowLatencyBenchTask task, EpBuffer buffer) {
    this.task = task;
    this.buffer = buffer;
    this.rank = buffer.group().rank();
    this.numRanks = buffer.group().size();
    this.hidden = task.base().hidden();
    this.got = new float[hidden];
    this.expected = new float[hidden];
  }

  /// {@return bytes that were compared}
  ///
  /// @param wanted tokens of a rank
  long run(int wanted) {
    int tokens = Math.min(BenchCheck.FIRST_TOKENS, wanted);
    int experts = task.base().experts();
    try (Arena arena = Arena.ofShared()) {
      List<BenchInputs> inputs = new ArrayList<>();
      for (int peer = 0; peer < numRanks; peer++) {
        inputs.add(BenchInputs.make(task.base(), peer, tokens, arena));
      }
      BenchInputs mine = inputs.get(rank);
      Tensor[] sent =
          new EngineTensors(buffer.memory()).tensors(mine.x(), mine.topkIdx(), mine.topkWeights());
      LowLatencyDispatchOptions options =
          LowLatencyDispatchOptions.DEFAULT.withFormat(task.format());
      // Ranks come here apart, and none allocates beside a kernel that waits for it.
      buffer.group().barrier();
      try (LowLatencyDispatchResult result =
          buffer.lowLatencyDispatch(sent[0], sent[1], tokens, experts, options)) {
        LowLatencyRows rows = new LowLatencyRows(buffer, result);
        checkDispatch(rows, buffer.memory().toHost(result.handle().srcInfo()), inputs);
        Tensor y = outputs(rows, result, arena);
        LowLatencyCombineOptions back =
            LowLatencyCombineOptions.DEFAULT.withFormat(task.combineFormat());
        buffer.group().barrier();
        Tensor home =
            buffer
                .lowLatencyCombine(
                    y, sent[1], sent[2], result.handle(), task.zeroCopy() ? back.zeroCopy() : back)
                .combinedX();
        home = buffer.memory().toHost(home);
        checkCombine(home, mine, tokens);
      }
    }
    return checkedBytes;
  }

  /// Computes the experts' outputs, in the combine buffer if that is asked for.
  private Tensor outputs(LowLatencyRows rows, LowLatencyDispatchResult result, Arena arena) {
    LowLatencyExperts experts = new LowLatencyExperts(ReplayTask.Expert.moe, buffer);
    if (task.zeroCopy()) {
      Tensor place = buffer.nextCombineBuffer(result.handle());
      experts.run(rows, place);
      return place;
    }
    Tensor y = Tensor.allocate(arena, DType.BF16, result.recvX().shape());
    experts.run(rows, y);
    return buffer.memory().toDevice(y);
  }

  private void checkDispatch(LowLatencyRows rows, Tensor sources, List<BenchInputs> inputs) {
    int local = rows.numLocalExperts();
    for (int expert = 0; expert < local; expert++) {
      int row = 0;
      for (BenchInputs input : inputs) {
        row = checkRowsOf(rows, sources, new Place(expert, row), input);
      }
      require(row == rows.count(expert), "recv_count", expert, row);
    }
  }

  /// Checks the rows of a source, which begin at a place.
  ///
  /// @return where those of the next begin
  private int checkRowsOf(LowLatencyRows rows, Tensor sources, Place first, BenchInputs input) {
    int row = first.row;
    long expert = (long) rank * rows.numLocalExperts() + first.expert;
    for (int token = 0; token < input.x().size(0); token++) {
      if (!chooses(input, token, expert)) {
        continue;
      }
      if (row < rows.count(first.expert)) {
        checkRow(rows, sources, new Place(first.expert, row), input, token);
      }
      row++;
    }
    return row;
  }

  /// A received row.
  private record Place(int expert, int row) {}

  private void checkRow(
      LowLatencyRows rows, Tensor sources, Place place, BenchInputs input, int token) {
    long index = place.expert * sources.size(1) + place.row;
    int source = sources.segment().get(JAVA_INT_UNALIGNED, index * 4);
    require(source == token, "src_info", place.expert, place.row);
    rows.read(place.expert, place.row, got);
    decode(input, token);
    require(Arrays.equals(got, expected), "recv_x", place.expert, place.row);
    checkedBytes += task.format().isFp8() ? hidden + hidden / Fp8Groups.CHANNELS * 4L : hidden * 2L;
  }

  private boolean chooses(BenchInputs input, int token, long expert) {
    int topk = task.base().topk();
    for (int k = 0; k < topk; k++) {
      if (input.routing().topkIdx()[token * topk + k] == expert) {
        return true;
      }
    }
    return false;
  }

  /// The row as it is worth on arrival; [BenchInputs] makes FP8 rows by the scalar format.
  private void decode(BenchInputs input, int token) {
    MemorySegment row = ReplayInput.row(input.codes(), token);
    if (task.format().isFp8()) {
      Fp8Groups.dequantiseRow(row, ReplayInput.row(input.scales(), token), expected);
    } else {
      Bf16.decodeRow(row, expected);
    }
  }

  private void checkCombine(Tensor home, BenchInputs mine, int tokens) {
    float[] sum = new float[hidden];
    for (int token = 0; token < tokens; token++) {
      decode(mine, token);
      Arrays.fill(sum, 0.0f);
      for (int k = 0; k < task.base().topk(); k++) {
        int choice = token * task.base().topk() + k;
        long expert = mine.routing().topkIdx()[choice];
        if (expert >= 0) {
          add(sum, ExpertLayer.expertScale(expert, task.base().experts()), mine, choice);
        }
      }
      MemorySegment row = ReplayInput.row(home, token);
      Bf16.decodeRow(row, got);
      boolean same = task.logfmt() ? CalcDiff.of(got, sum) < LOGFMT_GATE : equals(row, sum);
      require(same, "combined_x", token, 0);
      checkedBytes += hidden * 2L;
    }
  }

  private void add(float[] sum, float factor, BenchInputs mine, int choice) {
    float weight = mine.routing().topkWeights()[choice];
    for (int i = 0; i < hidden; i++) {
      float y = Bf16.toFloat(Bf16.fromFloat(factor * expected[i]));
      sum[i] = Math.fma(weight, y, sum[i]);
    }
  }

  private static boolean equals(MemorySegment row, float[] sum) {
    for (int i = 0; i < sum.length; i++) {
      if (row.get(JAVA_SHORT_UNALIGNED, i * 2L) != Bf16.fromFloat(sum[i])) {
        return false;
      }
    }
    return true;
  }

  private void require(boolean holds, String tensor, int first, int second) {
    if (!holds) {
      throw new VerificationException(
          "outputs differ from what is expected: rank="
              + rank
              + ", tensor="
              + tensor
              + ", at=["
              + first
              + ", "
              + second
              + "]");
    }
  }
}
