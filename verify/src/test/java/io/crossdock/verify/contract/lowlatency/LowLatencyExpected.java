package io.crossdock.verify.contract.lowlatency;

import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.CombineFormat;
import io.crossdock.core.LowLatencyFormat;
import io.crossdock.core.Tensor;
import io.crossdock.core.format.Bf16;
import io.crossdock.core.format.LogFmt10;
import io.crossdock.core.routing.CalcDiff;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Sizes;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/// What a case must bring, computed one number at a time, and the comparison with it.
///
/// Safe for any thread.
final class LowLatencyExpected {
  private static final double BF16_GATE = 1e-5;
  private static final double FP8_GATE = 9e-4;
  private static final double ROUND_SCALE_GATE = 0.007;

  private final LowLatencyCase test;
  private final Sizes sizes;
  private final List<LowLatencyData> data = new ArrayList<>();

  /// Rows of each rank's tokens, cast.
  private final List<List<LowLatencyRow>> rows = new ArrayList<>();

  /// What each expert of the group receives, in order.
  private final List<List<Selection>> packed = new ArrayList<>();

  private final Map<Integer, float[]> sums = new ConcurrentHashMap<>();

  /// A token that chose an expert.
  private record Selection(int source, int token) {}

  private LowLatencyExpected(LowLatencyCase test) {
    this.test = test;
    this.sizes = test.sizes();
    for (int expert = 0; expert < sizes.experts(); expert++) {
      packed.add(new ArrayList<>());
    }
    for (int source = 0; source < test.numRanks(); source++) {
      LowLatencyData sent = new LowLatencyData(test, source);
      data.add(sent);
      rows.add(cast(sent));
      for (int i = 0; i < sent.ids.length; i++) {
        if (sent.ids[i] >= 0) {
          packed.get((int) sent.ids[i]).add(new Selection(source, i / sizes.topk()));
        }
      }
    }
  }

  /// Computes what every rank receives.
  static LowLatencyExpected of(LowLatencyCase test) {
    return new LowLatencyExpected(test);
  }

  private List<LowLatencyRow> cast(LowLatencyData sent) {
    long rowBytes = sizes.hidden() * 2L;
    List<LowLatencyRow> cast = new ArrayList<>();
    for (int token = 0; token < sent.tokens; token++) {
      MemorySegment row = sent.rows.asSlice(token * rowBytes, rowBytes);
      cast.add(LowLatencyRow.of(row, test.dispatch().format()));
    }
    return cast;
  }

  LowLatencyCase test() {
    return test;
  }

  LowLatencyData data(int rank) {
    return data.get(rank);
  }

  private List<Selection> packed(int rank, int localExpert) {
    return packed.get(rank * sizes.localExperts() + localExpert);
  }

  /// {@return rows that each expert of a rank receives}
  int[] recvCount(int rank) {
    int[] counts = new int[sizes.localExperts()];
    for (int expert = 0; expert < counts.length; expert++) {
      counts[expert] = packed(rank, expert).size();
    }
    return counts;
  }

  void checkDispatch(int rank, LowLatencyReceived got) {
    checkShapes(got);
    assertThat(got.count()).as("recvCount").isEqualTo(recvCount(rank));
    int[] ranges = new int[sizes.localExperts() * sizes.numRanks() * 2];
    for (int expert = 0; expert < sizes.localExperts(); expert++) {
      List<Selection> wanted = packed(rank, expert);
      for (int row = 0; row < wanted.size(); row++) {
        checkRow(got, expert, row, wanted.get(row));
      }
      fillRanges(wanted, ranges, expert * sizes.numRanks());
    }
    assertThat(got.layoutRange()).as("layoutRange").isEqualTo(ranges);
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

  private void checkRow(LowLatencyReceived got, int expert, int row, Selection wanted) {
    String where = "expert=" + expert + ", row=" + row + ", " + wanted;
    int source = got.srcInfo()[expert * sizes.rowsPerExpert() + row];
    assertThat(source).as("srcInfo: %s", where).isEqualTo(wanted.token);
    LowLatencyRow sent = rows.get(wanted.source).get(wanted.token);
    if (got.row(expert, row).mismatch(sent.bytes()) >= 0) {
      throw new AssertionError("row differs: " + where);
    }
    for (int column = 0; column < sent.scales().length; column++) {
      if (got.scaleBits(expert, row, column) != sent.scales()[column]) {
        throw new AssertionError("scale differs: column=" + column + ", " + where);
      }
    }
  }

  /// Begin and count of each source among the rows of an expert.
  private void fillRanges(List<Selection> wanted, int[] ranges, int first) {
    for (Selection selection : wanted) {
      ranges[(first + selection.source) * 2 + 1]++;
    }
    int begin = 0;
    for (int source = first; source < first + sizes.numRanks(); source++) {
      ranges[source * 2] = begin;
      begin += ranges[source * 2 + 1];
    }
  }

  void checkCombine(int rank, Tensor got) {
    float[] wanted = sums.computeIfAbsent(rank, this::sum);
    float[] values = new float[wanted.length];
    int hidden = sizes.hidden();
    for (int i = 0; i < wanted.length; i++) {
      long at = i / hidden * got.pitchBytes() + i % hidden * 2L;
      short bits = got.segment().get(JAVA_SHORT_UNALIGNED, at);
      values[i] = Bf16.toFloat(bits);
      boolean bothNaN = Float.isNaN(values[i]) && Float.isNaN(wanted[i]);
      if (bits != Bf16.fromFloat(wanted[i]) && !bothNaN) {
        throw new AssertionError(
            "sum differs: token=%d, channel=%d, value=%s, expected=%s"
                .formatted(i / hidden, i % hidden, values[i], wanted[i]));
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

  /// Sums of a rank's tokens before they are rounded.
  private float[] sum(int rank) {
    LowLatencyData mine = data.get(rank);
    int hidden = sizes.hidden();
    float[] all = new float[mine.tokens * hidden];
    float[] output = new float[hidden];
    for (int i = 0; i < mine.combineIds.length; i++) {
      if (mine.combineIds[i] >= 0) {
        int token = i / sizes.topk();
        expertOutput(rows.get(rank).get(token), mine.combineIds[i], output);
        for (int channel = 0; channel < hidden; channel++) {
          int at = token * hidden + channel;
          all[at] = Math.fma(mine.weights[i], output[channel], all[at]);
        }
      }
    }
    return all;
  }

  /// What an expert's output for a row is when it is home.
  private void expertOutput(LowLatencyRow row, long expert, float[] output) {
    float factor = LowLatencyData.factor(test, expert);
    for (int channel = 0; channel < output.length; channel++) {
      output[channel] = Bf16.toFloat(Bf16.fromFloat(factor * row.values()[channel]));
    }
    if (test.combine().format() == CombineFormat.LOGFMT10) {
      throughLogFmt(output);
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
