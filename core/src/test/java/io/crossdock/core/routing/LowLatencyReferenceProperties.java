package io.crossdock.core.routing;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.LowLatencyFormat;
import io.crossdock.core.format.Bf16;
import io.crossdock.core.format.Fp8E4m3;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.EdgeCasesMode;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

/// What must hold of any dispatch and combine in low-latency mode.
class LowLatencyReferenceProperties {
  @Provide
  Arbitrary<LowLatencyScenario> scenarios() {
    return LowLatencyScenario.all();
  }

  @Property(tries = 300, edgeCases = EdgeCasesMode.NONE)
  void eachExpertGetsWhoChoseItBySourceThenToken(@ForAll("scenarios") LowLatencyScenario in) {
    List<RankInput> inputs = in.inputs();
    int perRank = in.spec().topology().numExperts() / in.numRanks();
    for (int rank : in.living()) {
      ReferenceLowLatencyDispatch got = dispatch(in, inputs, rank);
      assertThat(got.recvCount()).hasSize(perRank);
      for (int local = 0; local < perRank; local++) {
        List<List<Integer>> wanted = whoChose(in, inputs, rank * perRank + local);
        int[] tokens = wanted.stream().mapToInt(pair -> pair.get(1)).toArray();
        assertThat(got.recvCount()[local]).isEqualTo(tokens.length);
        assertThat(got.srcInfo().get(local)).isEqualTo(tokens);
        checkRanges(in, got, local, wanted);
        for (int row = 0; row < wanted.size(); row++) {
          int source = wanted.get(row).get(0);
          assertThat(got.rowOf(local, source, tokens[row])).isEqualTo(row);
          checkRow(in, got, local, row, sent(inputs.get(source), tokens[row]));
        }
      }
    }
  }

  /// {@return (source, token) of who chose an expert, in ascending order}
  private static List<List<Integer>> whoChose(
      LowLatencyScenario in, List<RankInput> inputs, int expert) {
    List<List<Integer>> pairs = new ArrayList<>();
    for (int source : in.living()) {
      RankInput input = inputs.get(source);
      for (int token = 0; token < input.numTokens(); token++) {
        int from = token * in.topk();
        long[] ids = Arrays.copyOfRange(input.topkIdx(), from, from + in.topk());
        if (Arrays.stream(ids).anyMatch(id -> id == expert)) {
          pairs.add(List.of(source, token));
        }
      }
    }
    return pairs;
  }

  private static void checkRanges(
      LowLatencyScenario in,
      ReferenceLowLatencyDispatch got,
      int local,
      List<List<Integer>> wanted) {
    for (int source = 0; source < in.numRanks(); source++) {
      int cell = local * in.numRanks() + source;
      int from = source;
      assertThat(got.layoutBegin()[cell])
          .isEqualTo((int) wanted.stream().filter(pair -> pair.get(0) < from).count());
      assertThat(got.layoutCount()[cell])
          .isEqualTo((int) wanted.stream().filter(pair -> pair.get(0) == from).count());
      assertThat(got.rowOf(local, source, in.spec().numMaxTokensPerRank())).isEqualTo(-1);
    }
  }

  private static MemorySegment sent(RankInput input, int token) {
    return input.rows().asSlice(token * input.rowBytes(), input.rowBytes());
  }

  private static void checkRow(
      LowLatencyScenario in,
      ReferenceLowLatencyDispatch got,
      int local,
      int row,
      MemorySegment sent) {
    MemorySegment rows = got.recvRows().get(local);
    if (in.spec().format() == LowLatencyFormat.BF16) {
      long size = in.hidden() * 2L;
      assertThat(rows.asSlice(row * size, size).mismatch(sent)).isEqualTo(-1);
      assertThat(got.recvScales().get(local).byteSize()).isZero();
      return;
    }
    for (int group = 0; group < in.hidden() / 128; group++) {
      double amax = 1e-4f;
      for (int i = group * 128; i < (group + 1) * 128; i++) {
        amax = Math.max(amax, Math.abs(value(sent, i)));
      }
      double scale = scale(in, got, local, row, group);
      assertThat(scale).isEqualTo(wantedScale(in.spec().format(), amax));
      for (int i = group * 128; i < (group + 1) * 128; i++) {
        byte code = rows.get(JAVA_BYTE, (long) row * in.hidden() + i);
        double error = Math.abs(Fp8E4m3.toFloat(code) * scale - value(sent, i));
        double halfStep = Math.max(Math.abs(value(sent, i)) / 16, scale / 1024);
        assertThat(error).isLessThanOrEqualTo(halfStep * 1.00001);
      }
    }
  }

  private static double value(MemorySegment rows, int i) {
    return Bf16.toFloat(rows.get(JAVA_SHORT_UNALIGNED, i * 2L));
  }

  private static double scale(
      LowLatencyScenario in, ReferenceLowLatencyDispatch got, int local, int row, int group) {
    int groups = in.hidden() / 128;
    MemorySegment scales = got.recvScales().get(local);
    if (in.spec().format() != LowLatencyFormat.FP8_UE8M0) {
      return scales.get(JAVA_FLOAT_UNALIGNED, (row * groups + group) * 4L);
    }
    long rowBytes = (groups + 3) / 4 * 4L;
    for (long spare = groups; spare < rowBytes; spare++) {
      assertThat(scales.get(JAVA_BYTE, row * rowBytes + spare)).isZero();
    }
    return Math.scalb(1.0, (scales.get(JAVA_BYTE, row * rowBytes + group) & 0xff) - 127);
  }

  private static double wantedScale(LowLatencyFormat format, double amax) {
    float exact = (float) amax / 448;
    if (format == LowLatencyFormat.FP8) {
      return exact;
    }
    double power = 0x1p-126;
    while (power < exact) {
      power *= 2;
    }
    return power;
  }

  @Property(tries = 300, edgeCases = EdgeCasesMode.NONE)
  void noSelectionIsLostOrDoubled(@ForAll("scenarios") LowLatencyScenario in) {
    List<RankInput> inputs = in.inputs();
    long[] bySource = new long[in.numRanks()];
    long[] toOthers = new long[in.numRanks()];
    for (int rank : in.living()) {
      ReferenceLowLatencyDispatch got = dispatch(in, inputs, rank);
      for (int cell = 0; cell < got.layoutCount().length; cell++) {
        int source = cell % in.numRanks();
        bySource[source] += got.layoutCount()[cell];
        toOthers[source] += source == rank ? 0 : got.layoutCount()[cell];
      }
      assertThat(Arrays.stream(got.layoutCount()).sum())
          .isEqualTo(Arrays.stream(got.recvCount()).sum());
    }
    for (int source = 0; source < in.numRanks(); source++) {
      boolean masked = in.spec().absent().contains(source);
      LowLatencyTraffic traffic = LowLatencyTraffic.of(source, inputs.get(source), in.spec());
      assertThat(bySource[source]).isEqualTo(masked ? 0 : traffic.selections());
      assertThat(toOthers[source]).isEqualTo(masked ? 0 : traffic.remote());
      if (in.spec().absent().isEmpty()) {
        long valid = Arrays.stream(inputs.get(source).topkIdx()).filter(id -> id >= 0).count();
        assertThat(bySource[source]).isEqualTo(valid);
      }
    }
  }

  @Property(tries = 300, edgeCases = EdgeCasesMode.NONE)
  void aMaskedSourceIsOneWithoutTokens(@ForAll("scenarios") LowLatencyScenario in) {
    List<RankInput> inputs = in.inputs();
    List<RankInput> silent = new ArrayList<>(inputs);
    for (int rank : in.spec().absent()) {
      MemorySegment none = MemorySegment.ofArray(new byte[0]);
      RankInput empty = RankInput.of(0, in.hidden() * 2L, none);
      silent.set(rank, empty.withTopk(in.topk(), new long[0], new float[0]));
    }
    LowLatencySpec all = in.spec().withAbsent(Set.of());
    for (int rank : in.living()) {
      ReferenceLowLatencyDispatch got = dispatch(in, inputs, rank);
      ReferenceLowLatencyDispatch want = RoutingReference.lowLatencyDispatch(silent, all, rank);
      assertThat(got.layoutBegin()).isEqualTo(want.layoutBegin());
      assertThat(got.layoutCount()).isEqualTo(want.layoutCount());
      for (int local = 0; local < got.recvCount().length; local++) {
        assertThat(got.srcInfo().get(local)).isEqualTo(want.srcInfo().get(local));
        assertSame(got.recvRows().get(local), want.recvRows().get(local));
        assertSame(got.recvScales().get(local), want.recvScales().get(local));
      }
    }
  }

  private static void assertSame(MemorySegment got, MemorySegment want) {
    assertThat(got.mismatch(want)).isEqualTo(-1);
  }

  /// Small whole numbers, for which float32 sums are exact in any order.
  @Property(tries = 300, edgeCases = EdgeCasesMode.NONE)
  void wholeNumbersAddUpExactly(@ForAll("scenarios") LowLatencyScenario in) {
    List<RankInput> inputs = in.inputs();
    for (int home : in.living()) {
      RankInput input = inputs.get(home);
      long[] sums = exactSums(in, home, input);
      ExpertRows outputs =
          (rank, token, expert, values) -> {
            for (int i = 0; i < values.length; i++) {
              values[i] = answer(rank, token, expert, i);
            }
          };
      MemorySegment got =
          RoutingReference.lowLatencyCombine(home, input, outputs, in.spec()).combinedX();
      assertThat(got.byteSize()).isEqualTo(sums.length * 2L);
      for (int i = 0; i < sums.length; i++) {
        assertThat(got.get(JAVA_SHORT_UNALIGNED, i * 2L))
            .isEqualTo(Bf16.fromFloat((float) sums[i]));
      }
    }
  }

  private static long[] exactSums(LowLatencyScenario in, int home, RankInput input) {
    int perRank = in.spec().topology().numExperts() / in.numRanks();
    long[] sums = new long[input.numTokens() * in.hidden()];
    for (int at = 0; at < input.topkIdx().length; at++) {
      int expert = (int) input.topkIdx()[at];
      if (expert < 0 || in.spec().absent().contains(expert / perRank)) {
        continue;
      }
      int token = at / in.topk();
      long weight = (long) input.topkWeights()[at];
      for (int i = 0; i < in.hidden(); i++) {
        sums[token * in.hidden() + i] += weight * answer(home, token, expert, i);
      }
    }
    return sums;
  }

  private static int answer(int rank, int token, int expert, int channel) {
    return (rank * 5 + token * 3 + expert * 7 + channel) % 17 - 8;
  }

  private static ReferenceLowLatencyDispatch dispatch(
      LowLatencyScenario in, List<RankInput> inputs, int rank) {
    return RoutingReference.lowLatencyDispatch(inputs, in.spec(), rank);
  }
}
