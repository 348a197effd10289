package io.crossdock.cli;

import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import io.crossdock.cli.safetensors.SafetensorsWriter;
import io.crossdock.core.format.Bf16;
import io.crossdock.core.routing.RankInput;
import io.crossdock.core.routing.Topology;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;

/// Made-up tensors of all ranks and the file they are recorded in.
///
/// @param tokens of each rank
/// @param hidden H
/// @param topk K
/// @param experts E
/// @param maskPercent how many choices are no route
record Recording(List<Integer> tokens, int hidden, int topk, int experts, int maskPercent) {
  /// What one rank recorded; rows and biases in BF16.
  record Rank(short[] x, long[] ids, float[] weights, short[] bias0, short[] bias1) {}

  int numRanks() {
    return tokens.size();
  }

  Topology topology() {
    return topology(1);
  }

  Topology topology(int numNodes) {
    return new Topology(numRanks(), numRanks() / numNodes, experts);
  }

  Rank rank(int rank) {
    Random random = new Random(1234 + rank);
    int count = tokens.get(rank);
    long[] ids = new long[count * topk];
    float[] weights = new float[count * topk];
    List<Integer> order = new ArrayList<>();
    for (int expert = 0; expert < experts; expert++) {
      order.add(expert);
    }
    for (int token = 0; token < count; token++) {
      Collections.shuffle(order, random);
      for (int k = 0; k < topk; k++) {
        boolean masked = random.nextInt(100) < maskPercent;
        ids[token * topk + k] = masked ? -1 : order.get(k);
        weights[token * topk + k] = random.nextFloat();
      }
    }
    int elements = count * hidden;
    return new Rank(
        rows(random, elements), ids, weights, rows(random, elements), rows(random, elements));
  }

  private static short[] rows(Random random, int elements) {
    short[] rows = new short[elements];
    for (int i = 0; i < elements; i++) {
      rows[i] = Bf16.fromFloat((float) random.nextGaussian() * 3);
    }
    return rows;
  }

  List<RankInput> inputs() {
    List<RankInput> inputs = new ArrayList<>();
    for (int rank = 0; rank < numRanks(); rank++) {
      Rank recorded = rank(rank);
      MemorySegment rows = bytes(recorded.x);
      inputs.add(
          RankInput.of(tokens.get(rank), hidden * 2L, rows)
              .withTopk(topk, recorded.ids, recorded.weights));
    }
    return inputs;
  }

  /// The three bytes in front leave no other tensor aligned.
  Path write(Path file) {
    SafetensorsWriter writer =
        new SafetensorsWriter()
            .metadata("num_experts", Integer.toString(experts))
            .add("odd", "U8", List.of(3L), MemorySegment.ofArray(new byte[3]));
    for (int rank = 0; rank < numRanks(); rank++) {
      Rank recorded = rank(rank);
      String prefix = "rank" + rank + ".";
      List<Long> rows = List.of((long) tokens.get(rank), (long) hidden);
      List<Long> choices = List.of((long) tokens.get(rank), (long) topk);
      MemorySegment ids = MemorySegment.ofArray(recorded.ids);
      writer.add(prefix + "x", "BF16", rows, bytes(recorded.x));
      writer.add(prefix + "topk_idx", "I64", choices, bytes(ids));
      MemorySegment weights = MemorySegment.ofArray(recorded.weights);
      writer.add(prefix + "topk_weights", "F32", choices, bytes(weights));
      writer.add(prefix + "bias0", "BF16", rows, bytes(recorded.bias0));
      writer.add(prefix + "bias1", "BF16", rows, bytes(recorded.bias1));
    }
    writer.write(file);
    return file;
  }

  static MemorySegment bytes(short[] values) {
    MemorySegment bytes = MemorySegment.ofArray(new byte[values.length * 2]);
    for (int i = 0; i < values.length; i++) {
      bytes.set(JAVA_SHORT_UNALIGNED, i * 2L, values[i]);
    }
    return bytes;
  }

  private static MemorySegment bytes(MemorySegment values) {
    MemorySegment bytes = MemorySegment.ofArray(new byte[(int) values.byteSize()]);
    return bytes.copyFrom(values);
  }
}
