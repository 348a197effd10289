package io.crossdock.verify.gpu;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.BufferSpecBuilder;
import io.crossdock.core.CombineBuffer;
import io.crossdock.core.CombineInput;
import io.crossdock.core.CombineResult;
import io.crossdock.core.DType;
import io.crossdock.core.DispatchHandle;
import io.crossdock.core.DispatchInput;
import io.crossdock.core.DispatchOptions;
import io.crossdock.core.DispatchOutputs;
import io.crossdock.core.DispatchResult;
import io.crossdock.core.EngineMemory;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.Layout;
import io.crossdock.core.Placement;
import io.crossdock.core.Tensor;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.core.routing.RankInput;
import io.crossdock.verify.gpu.FullCalls.Extent;
import io.crossdock.verify.gpu.FullCalls.Size;
import io.crossdock.verify.harness.EngineUnderTest;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.Optional;
import java.util.SplittableRandom;

/// One rank of [FullCalls].
///
/// Confined to the thread of the rank; others read its inputs between barriers.
final class FullRank {
  private static final int SPARE_TOKENS = 64;
  private static final int CHANNELS_PER_SCALE = 128;
  private static final int COLLECT_EVERY = 8;
  private static final Duration HOST_TIMEOUT = Duration.ofSeconds(30);

  /// Where a dispatch puts its rows; the calls take turns.
  private enum Place {
    BORROWED,
    OWNED,
    INTO,
    WORST_BORROWED,
    WORST_OWNED,
    CACHED,
    IN_ROUNDS
  }

  private final FullCalls calls;
  private final Size size;
  private final ProcessGroup group;
  private final int rank;
  private final EpBuffer buffer;
  private final EpBuffer small;
  private final EngineMemory memory;
  private final RowPool bf16;
  private final RowPool fp8;
  private final RowPool fp8Scales;
  private final short[] outputs;
  private final Tensor outputsThere;
  private final DispatchOutputs[] into = new DispatchOutputs[2];
  private final SplittableRandom common;
  private Sent sent;

  /// What this rank sends in a call.
  private record Sent(DispatchInput input, RankInput reference) {}

  private FullRank(FullCalls calls, ProcessGroup group, EpBuffer buffer, EpBuffer small) {
    this.calls = calls;
    this.size = calls.size;
    this.group = group;
    this.rank = group.rank();
    this.buffer = buffer;
    this.small = small;
    this.memory = buffer.memory();
    this.common = new SplittableRandom(size.hashCode());
    SplittableRandom own = new SplittableRandom(rank + 1L);
    int rows = size.tokens() + SPARE_TOKENS;
    int scales = size.hidden() / CHANNELS_PER_SCALE;
    this.bf16 = RowPool.random(memory, DType.BF16, rows, size.hidden(), own);
    this.fp8 = RowPool.random(memory, DType.FP8_E4M3, rows, size.hidden(), own);
    this.fp8Scales = RowPool.random(memory, DType.F32, rows, scales, own);
    this.outputs = outputs(size.mostRows() * size.hidden(), own);
    this.outputsThere = upload(outputs);
  }

  /// Values of both signs and many exponents, so that the order of sums shows.
  private static short[] outputs(int count, SplittableRandom random) {
    short[] values = new short[count];
    for (int i = 0; i < count; i++) {
      int bits = random.nextInt();
      values[i] = (short) ((0x3d00 + (bits & 0x7ff)) | (bits >> 16 & 0x8000));
    }
    return values;
  }

  private Tensor upload(short[] values) {
    Tensor host = Tensor.allocate(Arena.ofAuto(), DType.BF16, size.mostRows(), size.hidden());
    MemorySegment.copy(MemorySegment.ofArray(values), 0, host.segment(), 0, host.spanBytes());
    return memory.toDevice(host);
  }

  /// Makes and checks all calls.
  static void run(FullCalls calls, ProcessGroup group) {
    try (EpBuffer buffer = open(calls.size, 0, group);
        EpBuffer small = open(calls.size, calls.size.mostRows() / 3 + 1, group)) {
      FullRank rank = new FullRank(calls, group, buffer, small);
      calls.join(rank, group.rank());
      for (int call = 0; rank.call(call); call++) {
        if (call % COLLECT_EVERY == 0 && group.rank() == 0) {
          // Small objects stand for much memory of the device.
          System.gc();
        }
      }
    }
  }

  private static EpBuffer open(Size size, int capacityRows, ProcessGroup group) {
    BufferSpecBuilder spec =
        BufferSpec.builder()
            .numMaxTokensPerRank(size.tokens())
            .hidden(size.hidden())
            .topk(size.topk())
            .numExperts(size.numExperts())
            .capacityRows(capacityRows);
    BufferSpec bounded = EngineUnderTest.bounded(spec, HOST_TIMEOUT).build();
    return EpBuffer.open(EngineUnderTest.open(), bounded, group);
  }

  RankInput reference() {
    return sent.reference;
  }

  short[] outputs() {
    return outputs;
  }

  /// {@return false when there are no more calls}
  private boolean call(int call) {
    if (rank == 0) {
      calls.decide();
    }
    Place place = Place.values()[call % Place.values().length];
    boolean quantised = call / Place.values().length % 2 == 1;
    prepare(call, quantised, common.nextInt(SPARE_TOKENS));
    group.barrier();
    if (calls.next() == Extent.NOTHING) {
      return false;
    }
    StreamedRoutes routes = new StreamedRoutes(calls.inputs(), calls.topology);
    String what = "call=" + call + ", place=" + place + ", fp8=" + quantised + ", rank=" + rank;
    FullCheck check = new FullCheck(what, memory, rank, routes, calls.next());
    make(place, quantised, check);
    group.barrier();
    return true;
  }

  private void prepare(int call, boolean quantised, int offset) {
    SplittableRandom random = new SplittableRandom(call * 1000L + rank);
    int tokens = size.tokens();
    long[] ids = choose(random);
    float[] weights = new float[ids.length];
    for (int i = 0; i < weights.length; i++) {
      weights[i] = (float) random.nextDouble();
    }
    RowPool pool = quantised ? fp8 : bf16;
    RankInput reference =
        RankInput.of(tokens, pool.rowBytes(), pool.hostRows(offset, tokens))
            .withTopk(size.topk(), ids, weights);
    DispatchInput input =
        DispatchInput.of(
            pool.rows(offset, tokens),
            toDevice(MemorySegment.ofArray(ids), DType.I64),
            toDevice(MemorySegment.ofArray(weights), DType.F32));
    if (quantised) {
      MemorySegment scales = fp8Scales.hostRows(offset, tokens);
      reference = reference.withScales(fp8Scales.rowBytes(), scales);
      input = input.withScales(fp8Scales.rows(offset, tokens));
    }
    sent = new Sent(input, reference);
  }

  private Tensor toDevice(MemorySegment values, DType dtype) {
    Tensor host = Tensor.allocate(Arena.ofAuto(), dtype, size.tokens(), size.topk());
    MemorySegment.copy(values, 0, host.segment(), 0, values.byteSize());
    return memory.toDevice(host);
  }

  /// K different experts for each token, of which one in eight is left out.
  private long[] choose(SplittableRandom random) {
    int[] pool = new int[size.numExperts()];
    for (int e = 0; e < pool.length; e++) {
      pool[e] = e;
    }
    long[] ids = new long[size.tokens() * size.topk()];
    for (int i = 0; i < ids.length; i++) {
      int k = i % size.topk();
      int swap = k + random.nextInt(pool.length - k);
      int expert = pool[swap];
      pool[swap] = pool[k];
      pool[k] = expert;
      ids[i] = random.nextInt(8) == 0 ? -1 : expert;
    }
    return ids;
  }

  private void make(Place place, boolean quantised, FullCheck check) {
    EpBuffer target = place == Place.IN_ROUNDS ? small : buffer;
    Layout layout = target.layout(sent.input.topkIdx().orElseThrow(), size.numExperts());
    if (place == Place.INTO) {
      DispatchOutputs got = outputsFor(quantised);
      buffer.dispatchInto(sent.input, layout, DispatchOptions.DEFAULT, got);
      check.dispatch(FullCheck.Got.of(got));
      combine(buffer, got.handle(), got.recvTopkWeights(), check);
      return;
    }
    try (DispatchResult got = target.dispatch(sent.input, layout, options(place))) {
      check.dispatch(FullCheck.Got.of(got));
      Optional<Tensor> weights = got.recvTopkWeights();
      if (place == Place.CACHED) {
        cached(got.handle(), check);
      }
      combine(target, got.handle(), weights, check);
    }
  }

  private DispatchOutputs outputsFor(boolean quantised) {
    int index = quantised ? 1 : 0;
    if (into[index] == null) {
      into[index] = buffer.allocateOutputs(memory.allocator(), sent.input, size.mostRows());
    }
    return into[index];
  }

  private DispatchOptions options(Place place) {
    DispatchOptions options = DispatchOptions.DEFAULT;
    if (place == Place.OWNED || place == Place.WORST_OWNED || place == Place.IN_ROUNDS) {
      options = options.withPlacement(Placement.owned(memory.allocator()));
    }
    boolean worst = place == Place.WORST_BORROWED || place == Place.WORST_OWNED;
    return worst ? options.withNumWorstTokens(size.mostRows()) : options;
  }

  /// The same rows again, without choices and counts.
  private void cached(DispatchHandle handle, FullCheck check) {
    DispatchInput again =
        new DispatchInput(sent.input.x(), sent.input.scales(), Optional.empty(), Optional.empty());
    try (DispatchResult got = buffer.dispatch(again, handle, DispatchOptions.DEFAULT)) {
      check.rows(got.recvX(), got.recvScales());
    }
  }

  private void combine(
      EpBuffer target, DispatchHandle handle, Optional<Tensor> received, FullCheck check) {
    Tensor y = outputsThere.firstRows(handle.numOutputRows());
    Tensor weights = received.orElseThrow().firstRows(handle.numOutputRows());
    boolean zeroCopy = target == buffer && calls.done() % 2 == 0;
    CombineResult sums;
    if (zeroCopy) {
      try (CombineBuffer place = target.combineBuffer(handle)) {
        memory.copy(y, place.tensor());
        CombineInput input = CombineInput.of(place.tensor()).withTopkWeights(weights);
        sums = target.combine(input, handle);
      }
    } else {
      CombineInput input = CombineInput.of(y).withTopkWeights(weights);
      sums = target.combine(input, handle);
    }
    check.combine(sums, calls.outputs(), size);
  }
}
