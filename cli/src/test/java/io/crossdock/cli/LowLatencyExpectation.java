package io.crossdock.cli;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.cli.safetensors.SafetensorsFile;
import io.crossdock.core.format.Bf16;
import io.crossdock.core.format.Fp8Groups;
import io.crossdock.core.format.Fp8Scale;
import io.crossdock.core.format.Ue8m0;
import io.crossdock.core.routing.CalcDiff;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/// What a replay in low-latency mode must write, from the recorded tensors and the formats alone.
final class LowLatencyExpectation {
  private static final double LOGFMT_GATE = 1e-3;

  private final Recording recording;
  private final boolean fp8;
  private final boolean roundScale;
  private final boolean ue8m0;
  private final boolean moe;
  private final boolean logfmt;
  private final int maxTokens;
  private final List<Recording.Rank> ranks = new ArrayList<>();

  /// A row on its way: where it comes from.
  private record Source(int rank, int token) {}

  /// A row as it travels, with float32 scales, and the numbers it stands for.
  private record Row(MemorySegment bytes, MemorySegment scales, float[] values) {}

  LowLatencyExpectation(Recording recording, String flags) {
    this.recording = recording;
    this.fp8 = flags.contains("--dtype fp8");
    this.roundScale = flags.contains("--round-scale");
    this.ue8m0 = flags.contains("--ue8m0");
    this.moe = flags.contains("--expert moe");
    this.logfmt = flags.contains("--logfmt");
    int largest = recording.tokens().stream().mapToInt(Integer::intValue).max().orElse(0);
    this.maxTokens = ReplayExpectation.value(flags, "--max-tokens", Math.max(1, largest));
    for (int rank = 0; rank < recording.numRanks(); rank++) {
      ranks.add(recording.rank(rank));
    }
  }

  private int numLocalExperts() {
    return recording.experts() / recording.numRanks();
  }

  void check(SafetensorsFile file) {
    Set<String> names = new LinkedHashSet<>();
    for (int rank = 0; rank < recording.numRanks(); rank++) {
      WrittenTensors out = new WrittenTensors(file, "rank" + rank + ".", names);
      checkReceived(out, rank);
      checkCombined(out, rank);
    }
    assertThat(file.tensors().keySet()).isEqualTo(names);
  }

  private void checkReceived(WrittenTensors out, int rank) {
    int local = numLocalExperts();
    int rows = maxTokens * recording.numRanks();
    int hidden = recording.hidden();
    int rowBytes = fp8 ? hidden : hidden * 2;
    int groups = hidden / Fp8Groups.CHANNELS;
    int scaleBytes = 4 * (ue8m0 ? Ue8m0.numWords(groups) : groups);
    MemorySegment x = zeros((long) local * rows * rowBytes);
    MemorySegment scales = zeros((long) local * rows * scaleBytes);
    int[] counts = new int[local];
    int[] sources = new int[local * rows];
    int[] begins = new int[local * recording.numRanks()];
    int[] lengths = new int[local * recording.numRanks()];
    Arrays.fill(sources, -1);
    for (int expert = 0; expert < local; expert++) {
      for (Source source : sourcesOf(rank * local + expert)) {
        int range = expert * recording.numRanks() + source.rank;
        lengths[range]++;
        long at = (long) expert * rows + counts[expert]++;
        sources[(int) at] = source.token;
        Row row = travelling(source);
        MemorySegment.copy(row.bytes, 0, x, at * rowBytes, rowBytes);
        MemorySegment written = scales.asSlice(at * scaleBytes, scaleBytes);
        if (ue8m0) {
          Ue8m0.packRow(row.scales, written);
        } else if (fp8) {
          written.copyFrom(row.scales);
        }
      }
      fillEmptyBegins(begins, lengths, expert);
    }
    List<Long> perRow = List.of((long) local, (long) rows);
    out.same("ll_recv_x", fp8 ? "F8_E4M3" : "BF16", append(perRow, hidden), x);
    if (ue8m0) {
      out.same("ll_recv_scales_ue8m0", "I32", append(perRow, scaleBytes / 4), scales);
    } else if (fp8) {
      out.same("ll_recv_scales", "F32", append(perRow, groups), scales);
    }
    out.same("ll_recv_count", "I32", List.of((long) local), ints(counts));
    out.same("ll_src_info", "I32", perRow, ints(sources));
    List<Long> perSource = List.of((long) local, (long) recording.numRanks());
    out.same("ll_layout_begin", "I32", perSource, ints(begins));
    out.same("ll_layout_count", "I32", perSource, ints(lengths));
  }

  /// A source without rows begins where the one before ends.
  private void fillEmptyBegins(int[] begins, int[] lengths, int expert) {
    int end = 0;
    for (int source = 0; source < recording.numRanks(); source++) {
      int range = expert * recording.numRanks() + source;
      begins[range] = end;
      end += lengths[range];
    }
  }

  private static List<Long> append(List<Long> shape, long size) {
    List<Long> longer = new ArrayList<>(shape);
    longer.add(size);
    return longer;
  }

  private static MemorySegment zeros(long bytes) {
    return MemorySegment.ofArray(new byte[Math.toIntExact(bytes)]);
  }

  private static MemorySegment ints(int[] values) {
    MemorySegment bytes = zeros(values.length * 4L);
    for (int i = 0; i < values.length; i++) {
      bytes.set(JAVA_INT_UNALIGNED, i * 4L, values[i]);
    }
    return bytes;
  }

  /// In the order in which they arrive.
  private List<Source> sourcesOf(int expert) {
    List<Source> sources = new ArrayList<>();
    for (int rank = 0; rank < recording.numRanks(); rank++) {
      for (int token = 0; token < recording.tokens().get(rank); token++) {
        if (chooses(rank, token, expert)) {
          sources.add(new Source(rank, token));
        }
      }
    }
    return sources;
  }

  private boolean chooses(int rank, int token, int expert) {
    int first = token * recording.topk();
    long[] ids = ranks.get(rank).ids();
    return Arrays.stream(ids, first, first + recording.topk()).anyMatch(id -> id == expert);
  }

  private Row travelling(Source source) {
    int hidden = recording.hidden();
    MemorySegment row =
        Recording.bytes(ranks.get(source.rank).x())
            .asSlice(2L * source.token * hidden, hidden * 2L);
    float[] values = new float[hidden];
    if (!fp8) {
      Bf16.decodeRow(row, values);
      return new Row(row, null, values);
    }
    MemorySegment codes = zeros(hidden);
    MemorySegment scales = zeros(hidden / Fp8Groups.CHANNELS * 4L);
    Fp8Scale rule = roundScale ? Fp8Scale.POWER_OF_TWO : Fp8Scale.AMAX;
    Fp8Groups.quantiseRow(row, rule, codes, scales);
    Fp8Groups.dequantiseRow(codes, scales, values);
    return new Row(codes, scales, values);
  }

  private void checkCombined(WrittenTensors out, int rank) {
    int tokens = recording.tokens().get(rank);
    int hidden = recording.hidden();
    short[] sums = new short[tokens * hidden];
    for (int token = 0; token < tokens; token++) {
      float[] values = travelling(new Source(rank, token)).values;
      float[] sum = new float[hidden];
      for (int k = 0; k < recording.topk(); k++) {
        int choice = token * recording.topk() + k;
        long expert = ranks.get(rank).ids()[choice];
        if (expert >= 0) {
          add(sum, values, expert, ranks.get(rank).weights()[choice]);
        }
      }
      for (int i = 0; i < hidden; i++) {
        sums[token * hidden + i] = Bf16.fromFloat(sum[i]);
      }
    }
    List<Long> shape = List.of((long) tokens, (long) hidden);
    if (!logfmt || tokens == 0) {
      out.same("combined_x", "BF16", shape, Recording.bytes(sums));
      return;
    }
    MemorySegment got = out.found("combined_x", "BF16", shape);
    float[] read = new float[sums.length];
    float[] wanted = new float[sums.length];
    for (int i = 0; i < sums.length; i++) {
      read[i] = Bf16.toFloat(got.get(JAVA_SHORT_UNALIGNED, i * 2L));
      wanted[i] = Bf16.toFloat(sums[i]);
    }
    assertThat(CalcDiff.of(read, wanted)).isLessThan(LOGFMT_GATE);
  }

  private void add(float[] sum, float[] values, long expert, float weight) {
    float share = (float) expert / (float) recording.experts();
    float expertScale = 1.0f + share;
    for (int i = 0; i < sum.length; i++) {
      float y = Bf16.toFloat(Bf16.fromFloat(moe ? expertScale * values[i] : values[i]));
      sum[i] = Math.fma(weight, y, sum[i]);
    }
  }
}
