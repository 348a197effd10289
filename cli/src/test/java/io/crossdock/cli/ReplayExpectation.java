package io.crossdock.cli;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.cli.safetensors.SafetensorsFile;
import io.crossdock.core.format.Bf16;
import io.crossdock.core.format.Fp8E4m3;
import io.crossdock.core.format.Fp8Groups;
import io.crossdock.core.format.Fp8Scale;
import io.crossdock.core.routing.CombineInputs;
import io.crossdock.core.routing.DispatchSpec;
import io.crossdock.core.routing.RankInput;
import io.crossdock.core.routing.ReferenceCombine;
import io.crossdock.core.routing.ReferenceDispatch;
import io.crossdock.core.routing.RoutingReference;
import io.crossdock.core.routing.Topology;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/// What a replay must write, from the routing reference and the experts' arithmetic spelled out.
final class ReplayExpectation {
  private final Recording recording;
  private final boolean fp8;
  private final boolean moe;
  private final int numBias;
  private final List<ReferenceDispatch> dispatches;
  private final int worstTokens;
  private final Topology topology;

  ReplayExpectation(Recording recording, String flags) {
    this.recording = recording;
    this.fp8 = flags.contains("--dtype fp8");
    this.moe = flags.contains("--expert moe");
    this.numBias = value(flags, "--bias", 0);
    this.topology = recording.topology(value(flags, "--nodes", 1));
    this.worstTokens = value(flags, "--worst-tokens", 0);
    List<RankInput> inputs = recording.inputs();
    DispatchSpec spec = new DispatchSpec(topology, value(flags, "--alignment", 1), worstTokens);
    this.dispatches =
        RoutingReference.dispatch(
            fp8 ? inputs.stream().map(this::quantised).toList() : inputs, spec);
  }

  static int value(String flags, String name, int otherwise) {
    int at = flags.indexOf(name + " ");
    return at < 0 ? otherwise : Integer.parseInt(flags.substring(at).split("\\s+", 3)[1]);
  }

  private RankInput quantised(RankInput input) {
    int hidden = recording.hidden();
    int groups = hidden / Fp8Groups.CHANNELS;
    MemorySegment codes = MemorySegment.ofArray(new byte[input.numTokens() * hidden]);
    MemorySegment scales = MemorySegment.ofArray(new byte[input.numTokens() * groups * 4]);
    for (long t = 0; t < input.numTokens(); t++) {
      Fp8Groups.quantiseRow(
          input.rows().asSlice(t * hidden * 2, hidden * 2L),
          Fp8Scale.AMAX,
          codes.asSlice(t * hidden, hidden),
          scales.asSlice(t * groups * 4, groups * 4L));
    }
    return RankInput.of(input.numTokens(), hidden, codes)
        .withTopk(input.topk(), input.topkIdx(), input.topkWeights())
        .withScales(groups * 4L, scales);
  }

  void check(SafetensorsFile file) {
    Set<String> names = new LinkedHashSet<>();
    for (int rank = 0; rank < recording.numRanks(); rank++) {
      checkRank(new WrittenTensors(file, "rank" + rank + ".", names), rank);
    }
    assertThat(file.tensors().keySet()).isEqualTo(names);
  }

  private void checkRank(WrittenTensors out, int rank) {
    ReferenceDispatch want = dispatches.get(rank);
    long n = want.numRecvTokens();
    long rows = worstTokens > 0 ? worstTokens : n;
    long hidden = recording.hidden();
    long topk = recording.topk();
    out.same("recv_x", fp8 ? "F8_E4M3" : "BF16", List.of(rows, hidden), want.recvRows());
    if (fp8) {
      List<Long> shape = List.of(rows, hidden / Fp8Groups.CHANNELS);
      out.same("recv_scales", "F32", shape, want.recvScales());
    }
    out.same(
        "recv_topk_idx", "I64", List.of(rows, topk), MemorySegment.ofArray(want.recvTopkIdx()));
    MemorySegment weights = MemorySegment.ofArray(want.recvTopkWeights());
    out.same("recv_topk_weights", "F32", List.of(rows, topk), weights);
    out.same("recv_src_rank", "I32", List.of(n), MemorySegment.ofArray(want.sourceRank()));
    out.same("recv_src_idx", "I32", List.of(n), MemorySegment.ofArray(want.sourceTokenIdx()));
    int[] counts = want.tokensPerLocalExpert();
    List<Long> experts = List.of((long) counts.length);
    out.same("tokens_per_expert", "I32", experts, MemorySegment.ofArray(counts));
    ReferenceCombine home = combine(rank);
    long tokens = recording.tokens().get(rank);
    out.same("combined_x", "BF16", List.of(tokens, hidden), home.combinedX());
    MemorySegment sums = MemorySegment.ofArray(home.combinedTopkWeights());
    out.same("combined_topk_weights", "F32", List.of(tokens, topk), sums);
  }

  private ReferenceCombine combine(int home) {
    List<MemorySegment> outputs = new ArrayList<>();
    List<float[]> weights = new ArrayList<>();
    for (int rank = 0; rank < recording.numRanks(); rank++) {
      outputs.add(experts(rank));
      weights.add(dispatches.get(rank).recvTopkWeights());
    }
    Recording.Rank recorded = recording.rank(home);
    List<MemorySegment> biases =
        List.of(Recording.bytes(recorded.bias0()), Recording.bytes(recorded.bias1()))
            .subList(0, numBias);
    CombineInputs inputs =
        new CombineInputs(recording.hidden(), recording.topk(), dispatches, outputs, weights);
    return RoutingReference.combine(home, recording.tokens().get(home), inputs, biases, topology);
  }

  private MemorySegment experts(int rank) {
    ReferenceDispatch got = dispatches.get(rank);
    int hidden = recording.hidden();
    short[] outputs = new short[got.numRecvTokens() * hidden];
    for (int row = 0; row < got.numRecvTokens(); row++) {
      float factor = factor(got, row, rank);
      for (int i = 0; i < hidden; i++) {
        float value = element(got, row * hidden + i);
        outputs[row * hidden + i] = Bf16.fromFloat(moe ? factor * value : value);
      }
    }
    return Recording.bytes(outputs);
  }

  private float element(ReferenceDispatch got, int at) {
    if (!fp8) {
      return Bf16.toFloat(got.recvRows().get(JAVA_SHORT_UNALIGNED, at * 2L));
    }
    float scale = got.recvScales().get(JAVA_FLOAT_UNALIGNED, at / Fp8Groups.CHANNELS * 4L);
    return Fp8E4m3.toFloat(got.recvRows().get(JAVA_BYTE, at)) * scale;
  }

  private float factor(ReferenceDispatch got, int row, int rank) {
    float c = 0.0f;
    for (int k = 0; k < recording.topk(); k++) {
      long local = got.recvTopkIdx()[row * recording.topk() + k];
      if (local >= 0) {
        long expert = (long) rank * recording.experts() / recording.numRanks() + local;
        float share = (float) expert / (float) recording.experts();
        float expertScale = 1.0f + share;
        float product = got.recvTopkWeights()[row * recording.topk() + k] * expertScale;
        c += product;
      }
    }
    return c;
  }
}
