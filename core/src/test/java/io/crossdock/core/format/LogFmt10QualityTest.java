package io.crossdock.core.format;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.routing.CalcDiff;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// What LogFMT-10 costs on data of several kinds. Prints the table of `docs/benchmarks.md`.
class LogFmt10QualityTest {
  private static final long SEED = Long.getLong("crossdock.seed", 20_261_126);
  private static final int ROWS = 64;
  private static final int HIDDEN = 7168;

  /// Kinds of data, and the bounds that the errors and sizes must keep.
  enum Data {
    NORMAL_1("normal, deviation 1", 0.95, 1, 1e-6, 0.001),
    NORMAL_03("normal, deviation 0.3", 0.02, 0.20, 1e-5, 0.006),
    NORMAL_01("normal, deviation 0.1", 0, 0, 1e-5, 0.006),
    LOG_NORMAL("log-normal, sigma 2, median 0.001", 0, 0.20, 1e-5, 0.01),
    CAUCHY_SMALL("Cauchy, scale 0.0001", 0, 0.05, 1e-5, 0.01),
    CAUCHY("Cauchy, scale 0.01", 0.5, 0.9, 1e-5, 0.01),
    OCTAVES_32("log-uniform over 32 octaves", 0, 0, 1e-4, 0.02),
    CONSTANT("constant, both signs", 0, 0, 0, 0);

    final String text;
    final double minPlain;
    final double maxPlain;
    final double maxDiff;
    final double maxError;

    Data(String text, double minPlain, double maxPlain, double maxDiff, double maxError) {
      this.text = text;
      this.minPlain = minPlain;
      this.maxPlain = maxPlain;
      this.maxDiff = maxDiff;
      this.maxError = maxError;
    }

    float value(SplittableRandom random) {
      int sign = random.nextBoolean() ? 1 : -1;
      double value =
          switch (this) {
            case NORMAL_1 -> random.nextGaussian();
            case NORMAL_03 -> 0.3 * random.nextGaussian();
            case NORMAL_01 -> 0.1 * random.nextGaussian();
            case LOG_NORMAL -> sign * 0.001 * Math.exp(2 * random.nextGaussian());
            case CAUCHY_SMALL -> 0.0001 * cauchy(random);
            case CAUCHY -> 0.01 * cauchy(random);
            case OCTAVES_32 -> sign * 0.99 * Math.pow(2, -31.9 * random.nextDouble());
            case CONSTANT -> sign * 0.37;
          };
      return (float) value;
    }

    private static double cauchy(SplittableRandom random) {
      return Math.tan(Math.PI * random.nextDouble(-0.5, 0.5));
    }
  }

  /// What was counted over all rows of one kind.
  private static final class Totals {
    int plain;
    long bytes;
    double errors;
    double largestError;
  }

  @ParameterizedTest
  @EnumSource(Data.class)
  void errorsAndSizesKeepTheirBounds(Data data) {
    SplittableRandom random = new SplittableRandom(SEED);
    Totals totals = new Totals();
    float[] all = new float[ROWS * HIDDEN];
    float[] allBack = new float[ROWS * HIDDEN];
    for (int row = 0; row < ROWS; row++) {
      float[] values = new float[HIDDEN];
      for (int i = 0; i < HIDDEN; i++) {
        values[i] = Bf16.toFloat(Bf16.fromFloat(data.value(random)));
      }
      float[] back = roundTrip(values, totals);
      System.arraycopy(values, 0, all, row * HIDDEN, HIDDEN);
      System.arraycopy(back, 0, allBack, row * HIDDEN, HIDDEN);
    }
    double diff = Math.abs(CalcDiff.of(all, allBack));
    double error = totals.errors / (ROWS * HIDDEN);
    double plain = totals.plain / (double) (ROWS * HIDDEN / LogFmt10.CHANNELS);
    double size = totals.bytes / (2.0 * ROWS * HIDDEN);
    System.out.printf(
        "| %s | %.1f %% | %.3f | %.1e | %.3f %% | %.2f %% |%n",
        data.text, 100 * plain, size, diff, 100 * error, 100 * totals.largestError);
    String text = "%s, seed=%d".formatted(data.text, SEED);
    assertThat(plain).as(text).isBetween(data.minPlain, data.maxPlain);
    assertThat(size).as(text).isLessThanOrEqualTo(0.65 * (1 - plain) + 1.02 * plain);
    assertThat(diff).as(text).isLessThanOrEqualTo(data.maxDiff + 1e-12);
    assertThat(error).as(text).isLessThanOrEqualTo(data.maxError);
    // Half a step of a range of 32 octaves.
    assertThat(totals.largestError).as(text).isLessThan(0.022);
  }

  private static float[] roundTrip(float[] values, Totals totals) {
    MemorySegment row = MemorySegment.ofArray(new byte[2 * HIDDEN]);
    MemorySegment page = MemorySegment.ofArray(new byte[(int) LogFmt10.maxRowBytes(HIDDEN)]);
    float[] back = new float[HIDDEN];
    Bf16.encodeRow(values, row);
    totals.bytes += LogFmt10.encodeRow(row, 0, page, 0, HIDDEN);
    LogFmt10.decodeRow(page, 0, back);
    for (int group = 0; group < HIDDEN / LogFmt10.CHANNELS; group++) {
      totals.plain += page.get(JAVA_INT_UNALIGNED, group * LogFmt10.HEADER_BYTES) < 0 ? 1 : 0;
    }
    for (int i = 0; i < HIDDEN; i++) {
      double error = Math.abs((double) back[i] - values[i]);
      double relative = values[i] == 0 ? error : error / Math.abs(values[i]);
      totals.errors += relative;
      totals.largestError = Math.max(totals.largestError, relative);
    }
    return back;
  }
}
