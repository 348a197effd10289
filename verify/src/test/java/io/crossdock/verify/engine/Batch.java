package io.crossdock.verify.engine;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.CombineInput;
import io.crossdock.core.DType;
import io.crossdock.core.DispatchInput;
import io.crossdock.core.EngineMemory;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.Layout;
import io.crossdock.core.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;

/// A plain batch of one rank: every token goes to one expert of each rank, so every rank receives
/// `numRanks x tokens` rows.
final class Batch {
  final Tensor topkIdx;
  final Layout layout;
  final DispatchInput input;

  /// Expert outputs as large as what arrives.
  final CombineInput outputs;

  private Batch(Batch other, CombineInput outputs) {
    this.topkIdx = other.topkIdx;
    this.layout = other.layout;
    this.input = other.input;
    this.outputs = outputs;
  }

  /// The host's part comes from an arena, all that a GPU uses from the memory of the engine.
  private Batch(EpBuffer buffer, Arena arena, int tokens) {
    int numRanks = buffer.group().size();
    int hidden = buffer.spec().hidden();
    long[] ids = new long[tokens * numRanks];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = i % numRanks;
    }
    Tensor choices = Tensor.allocate(arena, DType.I64, tokens, numRanks);
    choices.segment().copyFrom(MemorySegment.ofArray(ids));
    EngineMemory memory = buffer.memory();
    topkIdx = memory.toDevice(choices);
    layout = buffer.allocateLayout(memory.allocator(), numRanks);
    buffer.layoutInto(topkIdx, layout);
    Tensor x = memory.toDevice(bf16(arena, tokens, hidden));
    Tensor weights = Tensor.allocate(memory.allocator(), DType.F32, tokens, numRanks);
    input = DispatchInput.of(x, topkIdx, weights);
    long rows = (long) tokens * numRanks;
    outputs =
        CombineInput.of(memory.toDevice(bf16(arena, rows, hidden)))
            .withTopkWeights(Tensor.allocate(memory.allocator(), DType.F32, rows, numRanks));
  }

  static Batch of(EpBuffer buffer, Arena arena, int tokens) {
    return new Batch(buffer, arena, tokens);
  }

  /// {@return this batch with nothing but rows to be combined}
  Batch withoutWeights() {
    return new Batch(this, CombineInput.of(outputs.y()));
  }

  static BufferSpec spec(int numRanks, int maxTokens, int hidden) {
    return BufferSpec.builder()
        .numMaxTokensPerRank(maxTokens)
        .hidden(hidden)
        .topk(numRanks)
        .numExperts(numRanks)
        .hostTimeout(Duration.ofSeconds(30))
        .build();
  }

  /// Rows of small numbers.
  private static Tensor bf16(Arena arena, long rows, int hidden) {
    Tensor tensor = Tensor.allocate(arena, DType.BF16, rows, hidden);
    for (long i = 0; i < rows * hidden; i++) {
      tensor.segment().setAtIndex(ValueLayout.JAVA_SHORT, i, (short) (0x3f80 + i % 97));
    }
    return tensor;
  }
}
