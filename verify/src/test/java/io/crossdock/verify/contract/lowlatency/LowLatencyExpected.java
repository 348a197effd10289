package io.crossdock.verify.contract.lowlatency;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.CombineFormat;
import io.crossdock.core.LowLatencyFormat;
import io.crossdock.core.Tensor;
import io.crossdock.core.format.Bf16;
import io.crossdock.core.format.Fp8Groups;
import io.crossdock.core.format.LogFmt10;
import io.crossdock.core.format.Ue8m0;
import io.crossdock.core.routing.CalcDiff;
import io.crossdock.core.routing.LowLatencySpec;
import io.crossdock.core.routing.RankInput;
import io.crossdock.core.routing.ReferenceLowLatencyDispatch;
import io.crossdock.core.routing.RoutingReference;
import io.crossdock.core.routing.Topology;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Sizes;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/// What the routing reference says of a case, and the comparison with it.
///
/// Safe for any thread.
final class LowLatencyExpected {
  private static final int FP8_NAN = 0x7f;

  private static final double BF16_GATE = 1e-5;
  private static final double FP8_GATE = 9e-4;
  private static final double ROUND_SCALE_GATE = 0.007;

  private final LowLatencyCase test;
  private final Sizes sizes;
  private final LowLatencySpec spec;
  private final List<LowLatencyData> data = new ArrayList<>();
  private final List<RankInput> inputs = new ArrayList<>();
  private final Map<Integer, ReferenceLowLatencyDispatch> received = new ConcurrentHashMap<>();
  private final Map<Integer, MemorySegment> sums = new ConcurrentHashMap<>();

  private LowLatencyExpected(LowLatencyCase test) {
    this.test = test;
    this.sizes = test.sizes();
    Topology topology = Topology.oneNode(test.numRanks(), sizes.experts());
    this.spec = LowLatencySpec.of(topology, sizes.maxTokens(), test.dispatch().format());
    for (int source = 0; source < test.numRanks(); source++) {
      LowLatencyData sent = new LowLatencyData(test, source);
      data.add(sent);
      inputs.add(input(sent, sent.ids));
    }
  }

  private RankInput input(LowLatencyData sent, long[] ids) {
    return RankInput.of(sent.tokens, sizes.hidden() * 2L, sent.rows)
        .withTopk(sizes.topk(), ids, sent.weights);
  }

  /// Makes the data of all ranks; what each must get is computed when it is asked for.
  static LowLatencyExpected of(LowLatencyCase test) {
    return new LowLatencyExpected(test);
  }

  LowLatencyCase test() {
    return test;
  }

  LowLatencyData data(int rank) {
    return data.get(rank);
  }

  private ReferenceLowLatencyDispatch received(int rank) {
    return received.computeIfAbsent(
        rank, receiver -> RoutingReference.lowLatencyDispatch(inputs, spec, receiver));
  }

  /// {@return rows that each expert of a rank receives}
  int[] recvCount(int rank) {
    return received(rank).recvCount();
  }

  void checkDispatch(int rank, LowLatencyReceived got) {
    ReferenceLowLatencyDispatch wanted = received(rank);
    checkShapes(got);
    assertThat(got.count()).as("recvCount").isEqualTo(wanted.recvCount());
    int[] ranges = new int[wanted.layoutBegin().length * 2];
    for (int i = 0; i < wanted.layoutBegin().length; i++) {
      ranges[i * 2] = wanted.layoutBegin()[i];
      ranges[i * 2 + 1] = wanted.layoutCount()[i];
    }
    assertThat(got.layoutRange()).as("layoutRange").isEqualTo(ranges);
    for (int expert = 0; expert < sizes.localExperts(); expert++) {
      for (int row = 0; row < wanted.recvCount()[expert]; row++) {
        checkRow(got, wanted, expert, row);
      }
    }
  }

  private void checkShapes(LowLatencyReceived got) {
    LowLatencyFormat format = test.dispatch().format();
    long local = sizes.localExperts();
    long perExpert = sizes.rowsPerExpert();
    assertThat(got.x().shape()).as("recvX").containsExactly(local, perExpert, sizes.hidden());
    assertThat(got.x().dtype()).isEqualTo(format.rowType());
    assertThat(got.srcInfo()).as("srcInfo").hasSize(Math.toIntExact(local * perExpert));
    assertThat(got.scales().isPresent()).as("has scales").isEqualTo(format.isFp8());
    got.scales()
        .ifPresent(scales -> {
          long groups = sizes.hidden() / 128;
          boolean words = format == LowLatencyFormat.FP8_UE8M0;
          long columns = words ? (groups + 3) / 4 : groups;
          assertThat(scales.shape()).as("recvScales").containsExactly(local, perExpert, columns);
          assertThat(scales.stride(1)).as("stride of rows in recvScales").isEqualTo(1);
          assertThat(scales.stride(2)).isEqualTo(Math.max(1, perExpert));
        });
  }

  private void checkRow(
      LowLatencyReceived got, ReferenceLowLatencyDispatch wanted, int expert, int row) {
    int source = got.srcInfo()[expert * sizes.rowsPerExpert() + row];
    if (source != wanted.srcInfo().get(expert)[row]) {
      throw new AssertionError("srcInfo differs: expert=" + expert + ", row=" + row);
    }
    if (!isSame(got.row(expert, row), row(wanted.recvRows().get(expert), wanted, expert, row))) {
      throw new AssertionError("row differs: expert=" + expert + ", row=" + row);
    }
    MemorySegment scales = row(wanted.recvScales().get(expert), wanted, expert, row);
    for (int column = 0; column < scales.byteSize() / Integer.BYTES; column++) {
      int bits = scales.get(JAVA_INT_UNALIGNED, column * 4L);
      if (got.scaleBits(expert, row, column) != bits) {
        throw new AssertionError(
            "scale differs: expert=" + expert + ", row=" + row + ", column=" + column);
      }
    }
  }

  /// Compares bytes; of two FP8 NaN the sign is the machine's choice.
  private boolean isSame(MemorySegment got, MemorySegment wanted) {
    boolean same = got.mismatch(wanted) < 0;
    boolean codes = test.dispatch().format().isFp8() && got.byteSize() == wanted.byteSize();
    for (long at = 0; !same && codes && at < got.byteSize(); at++) {
      byte one = got.get(JAVA_BYTE, at);
      byte other = wanted.get(JAVA_BYTE, at);
      boolean bothNaN = (one & FP8_NAN) == FP8_NAN && (other & FP8_NAN) == FP8_NAN;
      codes = one == other || bothNaN;
    }
    return same || codes;
  }

  /// {@return the bytes of a row among those of an expert}
  private static MemorySegment row(
      MemorySegment all, ReferenceLowLatencyDispatch of, int expert, int row) {
    long bytes = all.byteSize() / of.recvCount()[expert];
    return all.asSlice(row * bytes, bytes);
  }

  void checkCombine(int rank, Tensor got) {
    MemorySegment wanted = sums.computeIfAbsent(rank, this::sums);
    int hidden = sizes.hidden();
    float[] values = new float[data.get(rank).tokens * hidden];
    for (int i = 0; i < values.length; i++) {
      long at = i / hidden * got.pitchBytes() + i % hidden * 2L;
      short bits = got.segment().get(JAVA_SHORT_UNALIGNED, at);
      values[i] = Bf16.toFloat(bits);
      float sum = Bf16.toFloat(wanted.get(JAVA_SHORT_UNALIGNED, i * 2L));
      boolean bothNaN = Float.isNaN(values[i]) && Float.isNaN(sum);
      if (bits != wanted.get(JAVA_SHORT_UNALIGNED, i * 2L) && !bothNaN) {
        throw new AssertionError(
            "sum differs: token=%d, channel=%d, value=%s, expected=%s"
                .formatted(i / hidden, i % hidden, values[i], sum));
      }
    }
    if (test.values() == LowLatencyCase.Values.NORMAL) {
      assertThat(CalcDiff.of(values, exactSums(rank))).as("calcDiff").isLessThan(gate());
    }
  }

  private double gate() {
    return switch (test.dispatch().format()) {
      case BF16 -> BF16_GATE;
      case FP8 -> FP8_GATE;
      case FP8_POWER_OF_TWO, FP8_UE8M0 -> ROUND_SCALE_GATE;
    };
  }

  private MemorySegment sums(int home) {
    LowLatencyData mine = data.get(home);
    return RoutingReference.lowLatencyCombine(
            home, input(mine, mine.combineIds), this::expertOutput, spec)
        .combinedX();
  }

  /// What an expert's output for a received row is when it is home.
  private void expertOutput(int home, int token, int expert, float[] output) {
    int local = expert % sizes.localExperts();
    ReferenceLowLatencyDispatch there = received(expert / sizes.localExperts());
    int row = there.rowOf(local, home, token);
    MemorySegment bytes = row(there.recvRows().get(local), there, local, row);
    decode(bytes, row(there.recvScales().get(local), there, local, row), output);
    float factor = LowLatencyData.factor(test, expert);
    for (int channel = 0; channel < output.length; channel++) {
      output[channel] = Bf16.toFloat(Bf16.fromFloat(factor * output[channel]));
    }
    if (test.combine().format() == CombineFormat.LOGFMT10) {
      throughLogFmt(output);
    }
  }

  private void decode(MemorySegment row, MemorySegment scales, float[] values) {
    switch (test.dispatch().format()) {
      case BF16 -> Bf16.decodeRow(row, values);
      case FP8, FP8_POWER_OF_TWO -> Fp8Groups.dequantiseRow(row, scales, values);
      case FP8_UE8M0 -> {
        int groups = values.length / Fp8Groups.CHANNELS;
        MemorySegment unpacked = MemorySegment.ofArray(new float[groups]);
        Ue8m0.unpackRow(scales, unpacked);
        Fp8Groups.dequantiseRow(row, unpacked, values);
      }
    }
  }

  private static void throughLogFmt(float[] output) {
    MemorySegment row = MemorySegment.ofArray(new short[output.length]);
    Bf16.encodeRow(output, row);
    long most = LogFmt10.maxRowBytes(output.length);
    MemorySegment encoded = MemorySegment.ofArray(new byte[Math.toIntExact(most)]);
    LogFmt10.encodeRow(row, 0, encoded, 0, output.length);
    LogFmt10.decodeRow(encoded, 0, output);
  }

  /// Sums of the rows as they were before any was cast or rounded.
  private float[] exactSums(int rank) {
    LowLatencyData mine = data.get(rank);
    int hidden = sizes.hidden();
    double[] all = new double[mine.tokens * hidden];
    for (int i = 0; i < mine.combineIds.length; i++) {
      if (mine.combineIds[i] >= 0) {
        double weight = mine.weights[i] * (double) LowLatencyData.factor(test, mine.combineIds[i]);
        int first = i / sizes.topk() * hidden;
        for (int at = first; at < first + hidden; at++) {
          short bits = mine.rows.get(JAVA_SHORT_UNALIGNED, at * 2L);
          all[at] += weight * Bf16.toFloat(bits);
        }
      }
    }
    float[] rounded = new float[all.length];
    for (int i = 0; i < all.length; i++) {
      rounded[i] = (float) all[i];
    }
    return rounded;
  }
}
