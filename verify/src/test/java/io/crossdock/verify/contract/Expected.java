package io.crossdock.verify.contract;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.DType;
import io.crossdock.core.DispatchHandle;
import io.crossdock.core.EngineMemory;
import io.crossdock.core.Layout;
import io.crossdock.core.Tensor;
import io.crossdock.core.format.Bf16;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.core.routing.CombineInputs;
import io.crossdock.core.routing.DispatchSpec;
import io.crossdock.core.routing.RankInput;
import io.crossdock.core.routing.ReferenceCombine;
import io.crossdock.core.routing.ReferenceDispatch;
import io.crossdock.core.routing.ReferenceLayout;
import io.crossdock.core.routing.RoutingReference;
import io.crossdock.core.routing.Topology;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// What the routing reference says of a case, and the comparison with it.
final class Expected {
  private static final int NUM_ROUNDS = 2;

  private final ContractCase test;
  private final int rank;
  private final EngineMemory memory;
  private final Topology topology;
  private final List<List<RankData>> data = new ArrayList<>();
  private final List<List<ReferenceDispatch>> dispatches = new ArrayList<>();
  private final ReferenceCombine combined;

  Expected(ContractCase test, ProcessGroup group, RankData.Memories memories) {
    this.test = test;
    this.rank = group.rank();
    this.memory = memories.device();
    this.topology = new Topology(test.numRanks(), group.localSize(), test.experts());
    DispatchSpec spec =
        new DispatchSpec(topology, test.options().alignment(), test.options().worstTokens());
    for (int round = 0; round < NUM_ROUNDS; round++) {
      List<RankData> ranks = new ArrayList<>();
      for (int peer = 0; peer < test.numRanks(); peer++) {
        ranks.add(new RankData(test, peer, round, memories));
      }
      data.add(ranks);
      List<RankInput> inputs = ranks.stream().map(RankData::reference).toList();
      dispatches.add(RoutingReference.dispatch(inputs, spec));
    }
    this.combined = combineReference();
  }

  private ReferenceCombine combineReference() {
    List<MemorySegment> outputs = new ArrayList<>();
    List<float[]> weights = new ArrayList<>();
    for (int peer = 0; peer < test.numRanks(); peer++) {
      int rows = dispatches.getFirst().get(peer).numRecvTokens();
      outputs.add(RankData.expertRows(test, peer, rows));
      weights.add(RankData.gradients(test, peer, rows));
    }
    CombineInputs inputs =
        new CombineInputs(
            test.hidden(),
            test.topk(),
            dispatches.getFirst(),
            outputs,
            test.options().weights() ? weights : List.of());
    List<MemorySegment> biases = new ArrayList<>();
    for (int i = 0; i < test.options().bias(); i++) {
      biases.add(rank(rank, 0).bias(i));
    }
    return RoutingReference.combine(rank, rank(rank, 0).tokens, inputs, biases, topology);
  }

  RankData rank(int peer, int round) {
    return data.get(round).get(peer);
  }

  int numRecvTokens() {
    return dispatches.getFirst().get(rank).numRecvTokens();
  }

  void checkLayout(Layout layout) {
    RankData mine = rank(rank, 0);
    RankInput input = RankInput.of(mine.tokens, 0, mine.rows).withTopk(test.topk(), mine.ids, null);
    ReferenceLayout reference = RoutingReference.layout(input, topology);
    assertThat(ints(layout.tokensPerRank()))
        .as("tokensPerRank")
        .isEqualTo(reference.tokensPerRank());
    assertThat(ints(layout.tokensPerExpert()))
        .as("tokensPerExpert")
        .isEqualTo(reference.tokensPerExpert());
    boolean[] inRank = new boolean[reference.tokenInRank().length];
    MemorySegment flags = memory.toHost(layout.tokenInRank()).segment();
    for (int i = 0; i < inRank.length; i++) {
      inRank[i] = flags.get(JAVA_BYTE, i) == 1;
    }
    assertThat(inRank).as("tokenInRank").isEqualTo(reference.tokenInRank());
    if (topology.numNodes() == 1) {
      assertThat(layout.tokensPerNode()).as("tokensPerNode").isEmpty();
    } else {
      assertThat(layout.tokensPerNode().map(this::ints))
          .as("tokensPerNode")
          .hasValue(reference.tokensPerNode());
    }
  }

  void checkDispatch(Received got, int round) {
    checkRows(got, round);
    ReferenceDispatch reference = dispatches.get(round).get(rank);
    checkHandle(got.handle(), reference);
    long topk = test.topk();
    assertThat(got.topkIdx().isPresent()).as("has topkIdx").isEqualTo(test.options().choices());
    assertThat(got.topkWeights().isPresent()).as("has weights").isEqualTo(test.options().weights());
    got.topkIdx()
        .ifPresent(ids -> {
          for (int i = 0; i < reference.recvTopkIdx().length; i++) {
            assertThat(id(ids, i / topk, i % topk, topk))
                .as("topkIdx[%d]", i)
                .isEqualTo(reference.recvTopkIdx()[i]);
          }
        });
    got.topkWeights()
        .ifPresent(weights -> {
          for (int i = 0; i < reference.recvTopkWeights().length; i++) {
            assertThat(weights.segment().get(JAVA_FLOAT_UNALIGNED, i * 4L))
                .as("topkWeights[%d]", i)
                .isEqualTo(reference.recvTopkWeights()[i]);
          }
        });
  }

  private long id(Tensor ids, long row, long k, long topk) {
    long at = row * topk + k;
    return ids.dtype() == DType.I64
        ? ids.segment().get(JAVA_LONG_UNALIGNED, at * 8)
        : ids.segment().get(JAVA_INT_UNALIGNED, at * 4);
  }

  void checkRows(Received got, int round) {
    ReferenceDispatch reference = dispatches.get(round).get(rank);
    int rows = reference.numRecvTokens();
    assertThat(got.handle().numRecvTokens()).as("numRecvTokens").isEqualTo(rows);
    if (test.flow() != ContractCase.Flow.INTO) {
      int worst = test.options().worstTokens();
      assertThat(got.x().size(0)).as("rows of recvX").isEqualTo(worst > 0 ? worst : rows);
    }
    RankData mine = rank(rank, round);
    same("recvX", got.x().segment(), reference.recvRows(), rows * mine.rowBytes());
    got.scales()
        .ifPresent(scales ->
            same("recvScales", scales.segment(), reference.recvScales(), rows * mine.scaleBytes()));
  }

  private void checkHandle(DispatchHandle handle, ReferenceDispatch reference) {
    long[] prefix = new long[test.numRanks()];
    for (int row = 0; row < reference.numRecvTokens(); row++) {
      assertThat(handle.sourceTokenIdx(row))
          .as("source token")
          .isEqualTo(reference.sourceTokenIdx()[row]);
      assertThat(handle.sourceRank(row)).as("source rank").isEqualTo(reference.sourceRank()[row]);
      prefix[reference.sourceRank()[row]]++;
    }
    long before = 0;
    for (int source = 0; source < prefix.length; source++) {
      before += prefix[source];
      assertThat(handle.rankPrefix(source, rank)).as("rank prefix").isEqualTo(before);
    }
    int[] counts = test.options().choices() ? reference.tokensPerLocalExpert() : layoutCounts();
    assertThat(handle.tokensPerLocalExpert()).as("tokensPerLocalExpert").isEqualTo(counts);
  }

  /// Without choices the counts come from the layouts of all ranks.
  private int[] layoutCounts() {
    int local = topology.numLocalExperts();
    int[] counts = new int[test.options().worstTokens() > 0 ? 0 : local];
    for (RankData source : data.getFirst()) {
      for (long id : source.ids) {
        if (counts.length > 0 && id >= 0 && topology.rankOf(id) == rank) {
          counts[(int) (id % local)]++;
        }
      }
    }
    int alignment = test.options().alignment();
    for (int i = 0; i < counts.length; i++) {
      counts[i] = (counts[i] + alignment - 1) / alignment * alignment;
    }
    return counts;
  }

  void checkCombine(Tensor combinedX, Optional<Tensor> weights) {
    Tensor x = memory.toHost(combinedX);
    int tokens = rank(rank, 0).tokens;
    assertThat(x.shape()).as("shape of combinedX").containsExactly(tokens, test.hidden());
    for (int i = 0; i < tokens * test.hidden(); i++) {
      long at = i / test.hidden() * x.pitchBytes() + i % test.hidden() * 2L;
      short got = x.segment().get(JAVA_SHORT_UNALIGNED, at);
      short wanted = combined.combinedX().get(JAVA_SHORT_UNALIGNED, i * 2L);
      boolean bothNaN = Float.isNaN(Bf16.toFloat(got)) && Float.isNaN(Bf16.toFloat(wanted));
      if (got != wanted && !bothNaN) {
        throw new AssertionError(
            "combinedX differs: token=%d, channel=%d, value=%s, expected=%s"
                .formatted(
                    i / test.hidden(), i % test.hidden(), Bf16.toFloat(got), Bf16.toFloat(wanted)));
      }
    }
    assertThat(weights.isPresent()).as("has weights").isEqualTo(test.options().weights());
    weights.ifPresent(sums -> {
      MemorySegment host = memory.toHost(sums).segment();
      float[] got = new float[combined.combinedTopkWeights().length];
      for (int i = 0; i < got.length; i++) {
        got[i] = host.get(JAVA_FLOAT_UNALIGNED, i * 4L);
      }
      assertThat(got).as("combinedTopkWeights").isEqualTo(combined.combinedTopkWeights());
    });
  }

  private static void same(String name, MemorySegment got, MemorySegment wanted, long bytes) {
    long at = MemorySegment.mismatch(got, 0, bytes, wanted, 0, bytes);
    assertThat(at).as("first byte of %s that differs (of %d)", name, bytes).isEqualTo(-1);
  }

  private int[] ints(Tensor tensor) {
    MemorySegment host = memory.toHost(tensor).segment();
    int[] values = new int[Math.toIntExact(tensor.numElements())];
    for (int i = 0; i < values.length; i++) {
      values[i] = host.get(JAVA_INT_UNALIGNED, i * 4L);
    }
    assertThat(tensor.dtype()).isEqualTo(DType.I32);
    return values;
  }
}
