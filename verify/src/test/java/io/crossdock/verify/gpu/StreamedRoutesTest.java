package io.crossdock.verify.gpu;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.routing.CombineInputs;
import io.crossdock.core.routing.DispatchSpec;
import io.crossdock.core.routing.RankInput;
import io.crossdock.core.routing.ReferenceCombine;
import io.crossdock.core.routing.ReferenceDispatch;
import io.crossdock.core.routing.RoutingReference;
import io.crossdock.core.routing.Topology;
import io.crossdock.verify.gpu.FullCalls.Size;
import io.crossdock.verify.harness.RankThreads;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// What full-size calls are compared with, at sizes that the routing reference can do.
class StreamedRoutesTest {
  private static final int HIDDEN = 24;
  private static final int TOPK = 3;
  private static final int EXPERTS_PER_RANK = 5;

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 4, 8})
  void saysWhatTheReferenceSays(int numRanks) {
    for (long seed = 0; seed < 40; seed++) {
      compare(numRanks, seed);
    }
  }

  private static void compare(int numRanks, long seed) {
    SplittableRandom random = new SplittableRandom(seed * 10 + numRanks);
    Topology topology = Topology.oneNode(numRanks, numRanks * EXPERTS_PER_RANK);
    List<RankInput> inputs = new ArrayList<>();
    for (int rank = 0; rank < numRanks; rank++) {
      inputs.add(input(random, numRanks * EXPERTS_PER_RANK));
    }
    StreamedRoutes streamed = new StreamedRoutes(inputs, topology);
    List<ReferenceDispatch> reference =
        RoutingReference.dispatch(inputs, DispatchSpec.of(topology));
    for (int rank = 0; rank < numRanks; rank++) {
      compareDispatch(streamed, rank, reference.get(rank));
    }
    compareCombine(streamed, inputs, reference, random);
  }

  private static RankInput input(SplittableRandom random, int numExperts) {
    int tokens = random.nextInt(20);
    byte[] rows = new byte[tokens * HIDDEN * 2];
    byte[] scales = new byte[tokens * 8];
    random.nextBytes(rows);
    random.nextBytes(scales);
    long[] ids = new long[tokens * TOPK];
    float[] weights = new float[ids.length];
    for (int i = 0; i < ids.length; i++) {
      int third = numExperts / TOPK;
      ids[i] = random.nextInt(5) == 0 ? -1 : i % TOPK * third + random.nextInt(third);
      weights[i] = (float) random.nextDouble();
    }
    return RankInput.of(tokens, HIDDEN * 2L, MemorySegment.ofArray(rows))
        .withTopk(TOPK, ids, weights)
        .withScales(8, MemorySegment.ofArray(scales));
  }

  private static void compareDispatch(
      StreamedRoutes streamed, int rank, ReferenceDispatch expected) {
    assertThat(streamed.numRecvTokens(rank)).isEqualTo(expected.numRecvTokens());
    assertThat(streamed.recvTopkIdx(rank)).isEqualTo(expected.recvTopkIdx());
    assertThat(streamed.recvTopkWeights(rank)).isEqualTo(expected.recvTopkWeights());
    assertThat(streamed.tokensPerLocalExpert(rank)).isEqualTo(expected.tokensPerLocalExpert());
    for (int row = 0; row < expected.numRecvTokens(); row++) {
      assertThat(streamed.sourceRank(rank, row)).isEqualTo(expected.sourceRank()[row]);
      assertThat(streamed.sourceToken(rank, row)).isEqualTo(expected.sourceTokenIdx()[row]);
      MemorySegment bytes = expected.recvRows().asSlice(row * 2L * HIDDEN, HIDDEN * 2L);
      assertThat(streamed.row(rank, row).mismatch(bytes)).isEqualTo(-1);
      MemorySegment scales = expected.recvScales().asSlice(row * 8L, 8);
      assertThat(streamed.scales(rank, row).mismatch(scales)).isEqualTo(-1);
    }
  }

  private static void compareCombine(
      StreamedRoutes streamed,
      List<RankInput> inputs,
      List<ReferenceDispatch> dispatches,
      SplittableRandom random) {
    List<short[]> outputs = new ArrayList<>();
    for (ReferenceDispatch dispatch : dispatches) {
      short[] values = new short[dispatch.numRecvTokens() * HIDDEN];
      for (int i = 0; i < values.length; i++) {
        values[i] = (short) (0x3d00 + random.nextInt(0x800) | random.nextInt(2) << 15);
      }
      outputs.add(values);
    }
    List<float[]> weights = dispatches.stream().map(ReferenceDispatch::recvTopkWeights).toList();
    CombineInputs all =
        new CombineInputs(
            HIDDEN,
            TOPK,
            dispatches,
            outputs.stream().map(MemorySegment::ofArray).toList(),
            weights);
    Topology topology = Topology.oneNode(inputs.size(), inputs.size() * EXPERTS_PER_RANK);
    for (int home = 0; home < inputs.size(); home++) {
      int tokens = inputs.get(home).numTokens();
      ReferenceCombine expected = RoutingReference.combine(home, tokens, all, List.of(), topology);
      for (int token = 0; token < tokens; token++) {
        short[] sum = new short[HIDDEN];
        streamed.combine(home, token, outputs, sum);
        MemorySegment row = expected.combinedX().asSlice(token * 2L * HIDDEN, HIDDEN * 2L);
        assertThat(MemorySegment.ofArray(sum).mismatch(row)).isEqualTo(-1);
      }
      assertThat(streamed.combineWeights(home, weights)).isEqualTo(expected.combinedTopkWeights());
    }
  }

  /// The calls themselves, small, on the engine that there always is.
  @Test
  void smallCallsAreExact() throws Exception {
    FullCalls calls = new FullCalls(new Size(3, 48, 256, 4, 12), 56, Duration.ofMinutes(1));
    RankThreads.run(3, group -> FullRank.run(calls, group));
    assertThat(calls.done()).isEqualTo(56);
  }
}
