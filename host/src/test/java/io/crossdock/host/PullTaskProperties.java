package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.CombineConfig;
import io.crossdock.core.DType;
import io.crossdock.core.Tensor;
import io.crossdock.core.protocol.HandleData;
import io.crossdock.core.routing.CombineInputs;
import io.crossdock.core.routing.DispatchSpec;
import io.crossdock.core.routing.RankInput;
import io.crossdock.core.routing.ReferenceCombine;
import io.crossdock.core.routing.ReferenceDispatch;
import io.crossdock.core.routing.RoutingReference;
import io.crossdock.core.routing.Topology;
import io.crossdock.core.spi.CombineCall;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.EdgeCasesMode;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

/// Pulling and summing against the routing reference.
class PullTaskProperties {
  private static final int TOPK = 2;
  private static final int LOCAL_EXPERTS = 2;

  /// One combine.
  ///
  /// @param numRanks R
  /// @param hidden H
  /// @param tokens of every rank
  /// @param numBias 0, 1 or 2
  /// @param padding elements between two rows of the caller's tensors
  /// @param config workers, rows per pass, chunks
  /// @param seed of all data
  record Case(
      int numRanks,
      int hidden,
      int tokens,
      int numBias,
      int padding,
      CombineConfig config,
      long seed) {

    int numExperts() {
      return numRanks * LOCAL_EXPERTS;
    }

    Topology topology() {
      return Topology.oneNode(numRanks, numExperts());
    }
  }

  @Provide
  Arbitrary<Case> cases() {
    Arbitrary<CombineConfig> configs =
        Combinators.combine(
                Arbitraries.integers().between(1, 3),
                Arbitraries.integers().between(1, 6),
                Arbitraries.of(1, 3, 64, Integer.MAX_VALUE))
            .as(CombineConfig::new);
    return Combinators.combine(
            Arbitraries.integers().between(1, 12),
            Arbitraries.of(8, 24, 128, 1032),
            Arbitraries.integers().between(0, 20),
            Arbitraries.integers().between(0, 2),
            Arbitraries.integers().between(0, 9),
            configs,
            Arbitraries.longs())
        .as(Case::new);
  }

  @Property(tries = 200, edgeCases = EdgeCasesMode.NONE)
  void everySumIsThatOfTheReference(@ForAll("cases") Case test) {
    BufferSpec spec =
        BufferSpec.builder()
            .numMaxTokensPerRank(test.tokens)
            .hidden(test.hidden)
            .topk(TOPK)
            .numExperts(test.numExperts())
            .build();
    try (Ranks ranks = new Ranks(spec, test.numRanks)) {
      List<Choices> choices = new ArrayList<>();
      for (int rank = 0; rank < test.numRanks; rank++) {
        long seed = test.seed * 31 + rank;
        choices.add(
            new Choices(test.numRanks, LOCAL_EXPERTS, TOPK, test.tokens, DType.I64, 0, seed));
      }
      CombineInputs inputs = inputs(test, choices);
      for (int peer = 0; peer < test.numRanks; peer++) {
        layOut(ranks, peer, inputs);
      }
      for (int home = 0; home < test.numRanks; home++) {
        checkHome(test, ranks, home, choices, inputs);
      }
    }
  }

  private static CombineInputs inputs(Case test, List<Choices> choices) {
    List<RankInput> sent =
        choices.stream()
            .map(c -> RankInput.of(c.tokens(), 0, MemorySegment.NULL).withTopk(TOPK, c.ids(), null))
            .toList();
    List<ReferenceDispatch> dispatches =
        RoutingReference.dispatch(sent, DispatchSpec.of(test.topology()));
    List<MemorySegment> outputs = new ArrayList<>();
    List<float[]> weights = new ArrayList<>();
    SplittableRandom random = new SplittableRandom(test.seed);
    for (ReferenceDispatch dispatch : dispatches) {
      int rows = dispatch.numRecvTokens();
      outputs.add(numbers(random, rows * test.hidden));
      float[] values = new float[rows * TOPK];
      for (int i = 0; i < values.length; i++) {
        values[i] = (float) random.nextDouble(-1, 1);
      }
      weights.add(values);
    }
    return new CombineInputs(test.hidden, TOPK, dispatches, outputs, weights);
  }

  /// BF16 of both signs and a few magnitudes, so that the order of the sum shows.
  private static MemorySegment numbers(SplittableRandom random, int count) {
    short[] values = new short[count];
    for (int i = 0; i < count; i++) {
      values[i] = (short) (random.nextInt(2) << 15 | 0x3c00 + random.nextInt(0x800));
    }
    MemorySegment bytes = MemorySegment.ofArray(new byte[count * 2]);
    return bytes.copyFrom(MemorySegment.ofArray(values));
  }

  /// What staging and entering do: the rows lie in a window that home knows of.
  private static void layOut(Ranks ranks, int peer, CombineInputs inputs) {
    long at = ranks.layout.output(window(peer));
    MemorySegment rows = inputs.outputs().get(peer);
    MemorySegment.copy(rows, 0, ranks.pages[peer], at, rows.byteSize());
    MemorySegment weights = MemorySegment.ofArray(inputs.weights().get(peer));
    MemorySegment.copy(
        weights, 0, ranks.pages[peer], at + ranks.layout.outputWeights, weights.byteSize());
    for (HostContext home : ranks.contexts) {
      home.protocol.entry(peer).window = window(peer);
    }
  }

  private static int window(int rank) {
    return rank % 2;
  }

  private static void checkHome(
      Case test, Ranks ranks, int home, List<Choices> choices, CombineInputs inputs) {
    SplittableRandom random = new SplittableRandom(test.seed + home);
    List<MemorySegment> biases = new ArrayList<>();
    for (int i = 0; i < test.numBias; i++) {
      biases.add(numbers(random, test.tokens * test.hidden));
    }
    CombineCall call = new CombineCall();
    call.config = test.config;
    call.handle = handle(ranks, home, choices);
    call.bias0 = biases.isEmpty() ? null : spread(test, biases.get(0));
    call.bias1 = biases.size() < 2 ? null : spread(test, biases.get(1));
    call.combinedX = spread(test, MemorySegment.ofArray(new byte[test.tokens * test.hidden * 2]));
    call.topkWeights = Tensor.of(MemorySegment.NULL, DType.F32, 0, TOPK);
    call.combinedTopkWeights =
        Tensor.of(
            MemorySegment.ofArray(new float[test.tokens * TOPK]), DType.F32, test.tokens, TOPK);
    HostContext context = ranks.contexts[home];
    WindowRows source = new WindowRows(context);
    source.prepare(call.handle);
    PullTask pull = new PullTask(context, SumKernel.pick(), source);
    pull.prepare(call, test.config.numSms());
    context.pool.run(pull, pull.numChunks(), test.config.numSms());
    check(test, call, RoutingReference.combine(home, test.tokens, inputs, biases, test.topology()));
  }

  private static HandleData handle(Ranks ranks, int home, List<Choices> choices) {
    HandleData handle = new HandleData(home, choices.size());
    handle.topk = TOPK;
    RoutePlanner planner = ranks.contexts[home].planner;
    for (int source = 0; source < choices.size(); source++) {
      Choices chosen = choices.get(source);
      HandleData other = source == home ? handle : new HandleData(source, choices.size());
      planner.plan(chosen.tensor(chosen.ids()), chosen.numExperts(), other.plan);
      long[] counts = new long[choices.size()];
      Arrays.setAll(counts, other.plan::count);
      handle.setCounts(source, counts);
    }
    return handle;
  }

  /// A tensor of the given rows with the case's padding between them.
  private static Tensor spread(Case test, MemorySegment rows) {
    long pitch = test.hidden + (long) test.padding;
    MemorySegment memory =
        MemorySegment.ofArray(new byte[Math.toIntExact(Math.max(1, test.tokens * pitch * 2))]);
    for (long row = 0; row < test.tokens; row++) {
      MemorySegment.copy(rows, row * test.hidden * 2, memory, row * pitch * 2, test.hidden * 2L);
    }
    return Tensor.strided(
        memory, DType.BF16, new long[] {test.tokens, test.hidden}, new long[] {pitch, 1});
  }

  private static void check(Case test, CombineCall call, ReferenceCombine wanted) {
    for (long token = 0; token < test.tokens; token++) {
      long bytes = test.hidden * 2L;
      long at =
          MemorySegment.mismatch(
              call.combinedX.segment(),
              token * call.combinedX.pitchBytes(),
              token * call.combinedX.pitchBytes() + bytes,
              wanted.combinedX(),
              token * bytes,
              (token + 1) * bytes);
      assertThat(at).as("first byte of token %d that differs, %s", token, test).isEqualTo(-1);
    }
    float[] sums = new float[test.tokens * TOPK];
    MemorySegment.copy(
        call.combinedTopkWeights.segment(), JAVA_FLOAT_UNALIGNED, 0, sums, 0, sums.length);
    assertThat(sums).as("%s", test).isEqualTo(wanted.combinedTopkWeights());
  }
}
