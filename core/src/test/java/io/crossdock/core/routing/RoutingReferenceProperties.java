package io.crossdock.core.routing;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.format.Bf16;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.EdgeCasesMode;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;

/// What must hold of any layout, dispatch and combine.
class RoutingReferenceProperties {
  private static final int H = RoutingScenario.HIDDEN;
  private static final int ROW_BYTES = RoutingScenario.ROW_BYTES;
  private static final int SCALE_BYTES = RoutingScenario.SCALE_BYTES;

  @Provide
  Arbitrary<RoutingScenario> scenarios() {
    return RoutingScenario.all();
  }

  @Property(edgeCases = EdgeCasesMode.NONE)
  void everyTokenArrivesOnceWhereItIsWantedInOrder(@ForAll("scenarios") RoutingScenario in) {
    List<RankInput> inputs = in.inputs();
    List<ReferenceDispatch> received = dispatch(in, inputs);
    for (int rank = 0; rank < inputs.size(); rank++) {
      ReferenceDispatch got = received.get(rank);
      List<List<Integer>> wanted = wanted(in, inputs, rank);
      assertThat(got.numRecvTokens()).isEqualTo(wanted.size());
      assertThat(got.recvRows().byteSize()).isEqualTo((long) wanted.size() * ROW_BYTES);
      assertThat(got.sourceRank()).containsExactly(column(wanted, 0));
      assertThat(got.sourceTokenIdx()).containsExactly(column(wanted, 1));
    }
  }

  /// {@return (source rank, token) of every token with an expert there, in order}
  private static List<List<Integer>> wanted(RoutingScenario in, List<RankInput> inputs, int rank) {
    List<List<Integer>> pairs = new ArrayList<>();
    for (int source = 0; source < inputs.size(); source++) {
      for (int token = 0; token < inputs.get(source).numTokens(); token++) {
        if (in.wants(inputs.get(source), token, rank)) {
          pairs.add(List.of(source, token));
        }
      }
    }
    return pairs;
  }

  private static int[] column(List<List<Integer>> pairs, int column) {
    return pairs.stream().mapToInt(pair -> pair.get(column)).toArray();
  }

  @Property(edgeCases = EdgeCasesMode.NONE)
  void rowsScalesChoicesAndWeightsAreTheSources(@ForAll("scenarios") RoutingScenario in) {
    List<RankInput> inputs = in.inputs();
    List<ReferenceDispatch> received = dispatch(in, inputs);
    for (int rank = 0; rank < inputs.size(); rank++) {
      ReferenceDispatch got = received.get(rank);
      for (int row = 0; row < got.numRecvTokens(); row++) {
        RankInput source = inputs.get(got.sourceRank()[row]);
        int token = got.sourceTokenIdx()[row];
        assertThat(bytes(got.recvRows(), row, ROW_BYTES))
            .isEqualTo(bytes(source.rows(), token, ROW_BYTES));
        assertThat(bytes(got.recvScales(), row, SCALE_BYTES))
            .isEqualTo(bytes(source.scales(), token, SCALE_BYTES));
        for (int k = 0; k < in.topk(); k++) {
          checkChoice(
              in, rank, new Choice(got, row * in.topk() + k), source, token * in.topk() + k);
        }
      }
    }
  }

  private record Choice(ReferenceDispatch got, int at) {
    long local() {
      return got.recvTopkIdx()[at];
    }

    float weight() {
      return got.recvTopkWeights()[at];
    }
  }

  private static void checkChoice(
      RoutingScenario in, int rank, Choice choice, RankInput source, int at) {
    int perRank = in.topology().numExperts() / in.topology().numRanks();
    long global = source.topkIdx()[at];
    boolean here = global >= 0 && global / perRank == rank;
    assertThat(choice.local()).isEqualTo(here ? global - (long) rank * perRank : -1);
    assertThat(choice.weight()).isEqualTo(here ? source.topkWeights()[at] : 0f);
  }

  @Property(edgeCases = EdgeCasesMode.NONE)
  void prefixSumsOfTheLayoutsSayWhereEachSourceStarts(@ForAll("scenarios") RoutingScenario in) {
    List<RankInput> inputs = in.inputs();
    List<ReferenceDispatch> received = dispatch(in, inputs);
    for (int rank = 0; rank < inputs.size(); rank++) {
      int base = 0;
      int[] sources = received.get(rank).sourceRank();
      for (int source = 0; source < inputs.size(); source++) {
        int sent = RoutingReference.layout(inputs.get(source), in.topology()).tokensPerRank()[rank];
        int[] expected = new int[sent];
        Arrays.fill(expected, source);
        assertThat(Arrays.copyOfRange(sources, base, base + sent)).isEqualTo(expected);
        base += sent;
      }
      assertThat(base).isEqualTo(sources.length);
    }
  }

  @Property(edgeCases = EdgeCasesMode.NONE)
  void layoutCountsUniquePairs(@ForAll("scenarios") RoutingScenario in) {
    Topology topology = in.topology();
    for (RankInput input : in.inputs()) {
      Set<List<Integer>> ranks = new HashSet<>();
      Set<List<Integer>> nodes = new HashSet<>();
      int[] experts = new int[topology.numExperts()];
      for (int at = 0; at < input.topkIdx().length; at++) {
        int expert = (int) input.topkIdx()[at];
        if (expert >= 0) {
          int rank = expert / (topology.numExperts() / topology.numRanks());
          experts[expert]++;
          ranks.add(List.of(at / in.topk(), rank));
          nodes.add(List.of(at / in.topk(), rank / topology.numLocalRanks()));
        }
      }
      ReferenceLayout got = RoutingReference.layout(input, topology);
      assertThat(got.tokensPerExpert()).isEqualTo(experts);
      assertThat(got.tokensPerRank()).isEqualTo(perSecond(ranks, topology.numRanks()));
      assertThat(got.tokensPerNode()).isEqualTo(perSecond(nodes, topology.numNodes()));
      for (int i = 0; i < got.tokenInRank().length; i++) {
        List<Integer> pair = List.of(i / topology.numRanks(), i % topology.numRanks());
        assertThat(got.tokenInRank()[i]).isEqualTo(ranks.contains(pair));
      }
    }
  }

  private static int[] perSecond(Set<List<Integer>> pairs, int size) {
    int[] counts = new int[size];
    pairs.forEach(pair -> counts[pair.get(1)]++);
    return counts;
  }

  @Property(edgeCases = EdgeCasesMode.NONE)
  void countsOfExpertsAreRoundedUp(
      @ForAll("scenarios") RoutingScenario in, @ForAll @IntRange(min = 1, max = 17) int alignment) {
    List<RankInput> inputs = in.inputs();
    int perRank = in.topology().numLocalExperts();
    List<ReferenceDispatch> received =
        RoutingReference.dispatch(inputs, new DispatchSpec(in.topology(), alignment, 0));
    for (int expert = 0; expert < in.topology().numExperts(); expert++) {
      int chosen = 0;
      for (RankInput input : inputs) {
        chosen += RoutingReference.layout(input, in.topology()).tokensPerExpert()[expert];
      }
      int got = received.get(expert / perRank).tokensPerLocalExpert()[expert % perRank];
      assertThat(got % alignment).isZero();
      assertThat(got - chosen).isBetween(0, alignment - 1);
    }
  }

  @Property(edgeCases = EdgeCasesMode.NONE)
  void worstTokensOnlyAddATail(
      @ForAll("scenarios") RoutingScenario in, @ForAll @IntRange(min = 0, max = 5) int extra) {
    List<RankInput> inputs = in.inputs();
    List<ReferenceDispatch> exact = dispatch(in, inputs);
    int worst = extra + exact.stream().mapToInt(ReferenceDispatch::numRecvTokens).max().orElse(0);
    DispatchSpec spec = new DispatchSpec(in.topology(), 1, Math.max(1, worst));
    List<ReferenceDispatch> padded = RoutingReference.dispatch(inputs, spec);
    for (int rank = 0; rank < inputs.size(); rank++) {
      ReferenceDispatch want = exact.get(rank);
      ReferenceDispatch got = padded.get(rank);
      int rows = want.numRecvTokens();
      assertThat(got.numRecvTokens()).isEqualTo(rows);
      assertThat(got.tokensPerLocalExpert()).isEmpty();
      assertThat(got.sourceTokenIdx()).isEqualTo(want.sourceTokenIdx());
      assertThat(got.recvRows().byteSize()).isEqualTo((long) spec.numWorstTokens() * ROW_BYTES);
      long rowBytes = (long) rows * ROW_BYTES;
      assertThat(got.recvRows().asSlice(0, rowBytes).mismatch(want.recvRows())).isEqualTo(-1);
      for (int at = 0; at < spec.numWorstTokens() * in.topk(); at++) {
        boolean arrived = at < rows * in.topk();
        assertThat(got.recvTopkIdx()[at]).isEqualTo(arrived ? want.recvTopkIdx()[at] : -1);
        assertThat(got.recvTopkWeights()[at]).isEqualTo(arrived ? want.recvTopkWeights()[at] : 0);
      }
    }
  }

  @Property(edgeCases = EdgeCasesMode.NONE)
  void withoutChoicesTheMatrixOfTheLayoutDecides(@ForAll("scenarios") RoutingScenario in) {
    List<RankInput> inputs = in.inputs();
    List<RankInput> bare = new ArrayList<>();
    for (RankInput input : inputs) {
      boolean[] inRank = RoutingReference.layout(input, in.topology()).tokenInRank();
      bare.add(input.withTokenInRank(inRank));
    }
    List<ReferenceDispatch> exact = dispatch(in, inputs);
    List<ReferenceDispatch> got = dispatch(in, bare);
    for (int rank = 0; rank < inputs.size(); rank++) {
      assertThat(got.get(rank).sourceRank()).isEqualTo(exact.get(rank).sourceRank());
      assertThat(got.get(rank).recvRows().mismatch(exact.get(rank).recvRows())).isEqualTo(-1);
      assertThat(got.get(rank).recvTopkIdx()).isEmpty();
      assertThat(got.get(rank).recvTopkWeights()).isEmpty();
    }
  }

  @Property(edgeCases = EdgeCasesMode.NONE)
  void onesCombineToTheNumberOfRanks(@ForAll("scenarios") RoutingScenario in) {
    List<RankInput> inputs = in.inputs();
    List<ReferenceDispatch> received = dispatch(in, inputs);
    List<MemorySegment> ones = received.stream().map(got -> filled(got.numRecvTokens())).toList();
    CombineInputs sums = new CombineInputs(H, 0, received, ones, List.of());
    for (int home = 0; home < inputs.size(); home++) {
      RankInput input = inputs.get(home);
      ReferenceCombine got = combine(in, home, input.numTokens(), sums);
      assertThat(got.combinedTopkWeights()).isEmpty();
      for (int token = 0; token < input.numTokens(); token++) {
        int ranks = 0;
        for (int rank = 0; rank < inputs.size(); rank++) {
          ranks += in.wants(input, token, rank) ? 1 : 0;
        }
        for (int i = 0; i < H; i++) {
          assertThat(element(got.combinedX(), token * H + i)).isEqualTo(ranks);
        }
      }
    }
  }

  /// Adds from the side of the receivers: ascending ranks, each row to its home.
  @Property(edgeCases = EdgeCasesMode.NONE)
  void identityExpertsAddUpInRankOrder(@ForAll("scenarios") RoutingScenario in) {
    List<RankInput> inputs = in.inputs();
    List<ReferenceDispatch> received = dispatch(in, inputs);
    List<MemorySegment> rows = received.stream().map(ReferenceDispatch::recvRows).toList();
    CombineInputs sums = new CombineInputs(H, 0, received, rows, List.of());
    Topology topology = in.topology();
    boolean oneNode = topology.numNodes() == 1;
    for (int home = 0; home < inputs.size(); home++) {
      int elements = inputs.get(home).numTokens() * H;
      float[] total = new float[elements];
      for (int node = 0; node < topology.numNodes(); node++) {
        float[] partial = oneNode ? total : new float[elements];
        for (int local = 0; local < topology.numLocalRanks(); local++) {
          add(partial, received.get(node * topology.numLocalRanks() + local), home);
        }
        for (int i = 0; !oneNode && i < elements; i++) {
          total[i] += Bf16.toFloat(Bf16.fromFloat(partial[i]));
        }
      }
      ReferenceCombine got = combine(in, home, inputs.get(home).numTokens(), sums);
      for (int i = 0; i < elements; i++) {
        assertThat(got.combinedX().get(JAVA_SHORT_UNALIGNED, i * 2L))
            .isEqualTo(Bf16.fromFloat(total[i]));
      }
    }
  }

  private static void add(float[] sums, ReferenceDispatch received, int home) {
    for (int row = 0; row < received.numRecvTokens(); row++) {
      for (int i = 0; received.sourceRank()[row] == home && i < H; i++) {
        sums[received.sourceTokenIdx()[row] * H + i] += element(received.recvRows(), row * H + i);
      }
    }
  }

  @Property(edgeCases = EdgeCasesMode.NONE)
  void receivedWeightsCombineToThoseOfRoutedChoices(@ForAll("scenarios") RoutingScenario in) {
    List<RankInput> inputs = in.inputs();
    List<ReferenceDispatch> received = dispatch(in, inputs);
    List<MemorySegment> rows = received.stream().map(ReferenceDispatch::recvRows).toList();
    List<float[]> weights = received.stream().map(ReferenceDispatch::recvTopkWeights).toList();
    CombineInputs sums = new CombineInputs(H, in.topk(), received, rows, weights);
    for (int home = 0; home < inputs.size(); home++) {
      RankInput input = inputs.get(home);
      float[] got = combine(in, home, input.numTokens(), sums).combinedTopkWeights();
      assertThat(got).hasSize(input.topkWeights().length);
      for (int at = 0; at < got.length; at++) {
        assertThat(got[at]).isEqualTo(input.topkIdx()[at] < 0 ? 0f : input.topkWeights()[at]);
      }
    }
  }

  private static List<ReferenceDispatch> dispatch(RoutingScenario in, List<RankInput> inputs) {
    return RoutingReference.dispatch(inputs, DispatchSpec.of(in.topology()));
  }

  private static ReferenceCombine combine(
      RoutingScenario in, int home, int numTokens, CombineInputs sums) {
    return RoutingReference.combine(home, numTokens, sums, List.of(), in.topology());
  }

  private static MemorySegment filled(int rows) {
    short[] ones = new short[rows * H];
    Arrays.fill(ones, Bf16.fromFloat(1));
    return MemorySegment.ofArray(ones);
  }

  private static float element(MemorySegment rows, int index) {
    return Bf16.toFloat(rows.get(JAVA_SHORT_UNALIGNED, index * 2L));
  }

  private static byte[] bytes(MemorySegment rows, int row, int size) {
    return rows.asSlice((long) row * size, size).toArray(JAVA_BYTE);
  }
}
