package io.crossdock.verify.guard;

import io.crossdock.core.routing.CombineInputs;
import io.crossdock.core.routing.DispatchSpec;
import io.crossdock.core.routing.RankInput;
import io.crossdock.core.routing.ReferenceCombine;
import io.crossdock.core.routing.ReferenceDispatch;
import io.crossdock.core.routing.RoutingReference;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/// The inputs of all ranks of a case and what the routing reference makes of them.
final class GuardData {
  private final GuardCase test;
  final List<RankInput> inputs = new ArrayList<>();
  final List<ReferenceDispatch> dispatches;
  private final CombineInputs combine;

  GuardData(GuardCase test) {
    this.test = test;
    for (int rank = 0; rank < test.numRanks(); rank++) {
      inputs.add(input(rank));
    }
    this.dispatches =
        RoutingReference.dispatch(inputs, new DispatchSpec(test.topology(), 1, test.worstTokens()));
    List<MemorySegment> outputs = new ArrayList<>();
    List<float[]> weights = new ArrayList<>();
    SplittableRandom random = new SplittableRandom(test.seed() * 7919);
    for (ReferenceDispatch dispatch : dispatches) {
      outputs.add(numbers(random, dispatch.numRecvTokens() * test.hidden()));
      weights.add(floats(random, dispatch.numRecvTokens() * test.topk()));
    }
    this.combine = new CombineInputs(test.hidden(), test.topk(), dispatches, outputs, weights);
  }

  private RankInput input(int rank) {
    SplittableRandom random = new SplittableRandom(test.seed() * 31 + rank);
    int tokens = test.tokens().get(rank);
    int rowBytes = test.hidden() * test.rows().dtype.bytes();
    RankInput input =
        RankInput.of(tokens, rowBytes, bytes(random, tokens * rowBytes))
            .withTopk(test.topk(), ids(random, tokens), floats(random, tokens * test.topk()));
    int scaleBytes = test.scaleColumns() * 4;
    return test.rows().scales == null
        ? input
        : input.withScales(scaleBytes, bytes(random, tokens * scaleBytes));
  }

  /// Some choices are masked; the others of a token are consecutive experts.
  private long[] ids(SplittableRandom random, int tokens) {
    long[] ids = new long[tokens * test.topk()];
    for (int token = 0; token < tokens; token++) {
      int first = random.nextInt(test.numExperts());
      for (int k = 0; k < test.topk(); k++) {
        boolean masked = random.nextInt(4) == 0;
        ids[token * test.topk() + k] = masked ? -1 : (first + k) % test.numExperts();
      }
    }
    return ids;
  }

  private static MemorySegment bytes(SplittableRandom random, int count) {
    byte[] bytes = new byte[count];
    random.nextBytes(bytes);
    return MemorySegment.ofArray(bytes);
  }

  private static float[] floats(SplittableRandom random, int count) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) random.nextDouble(-1, 1);
    }
    return values;
  }

  /// BF16 of both signs and a few magnitudes.
  private static MemorySegment numbers(SplittableRandom random, int count) {
    short[] values = new short[count];
    for (int i = 0; i < count; i++) {
      values[i] = (short) (random.nextInt(2) << 15 | 0x3c00 + random.nextInt(0x800));
    }
    MemorySegment bytes = MemorySegment.ofArray(new byte[count * 2]);
    return bytes.copyFrom(MemorySegment.ofArray(values));
  }

  /// {@return BF16 expert outputs of a rank, with zeros for the rows that did not arrive}
  MemorySegment outputs(int rank, long rows) {
    MemorySegment bytes =
        MemorySegment.ofArray(new byte[Math.toIntExact(rows * test.hidden() * 2)]);
    MemorySegment arrived = combine.outputs().get(rank);
    MemorySegment.copy(arrived, 0, bytes, 0, arrived.byteSize());
    return bytes;
  }

  /// {@return F32 weights of a rank, likewise}
  MemorySegment weights(int rank, long rows) {
    MemorySegment bytes = MemorySegment.ofArray(new byte[Math.toIntExact(rows * test.topk() * 4)]);
    MemorySegment arrived = MemorySegment.ofArray(combine.weights().get(rank));
    MemorySegment.copy(arrived, 0, bytes, 0, arrived.byteSize());
    return bytes;
  }

  List<MemorySegment> biases(int rank) {
    SplittableRandom random = new SplittableRandom(test.seed() * 17 + rank);
    List<MemorySegment> biases = new ArrayList<>();
    for (int i = 0; i < test.numBias(); i++) {
      biases.add(numbers(random, test.tokens().get(rank) * test.hidden()));
    }
    return biases;
  }

  ReferenceCombine combined(int rank) {
    int tokens = test.tokens().get(rank);
    return RoutingReference.combine(rank, tokens, combine, biases(rank), test.topology());
  }
}
