package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import io.crossdock.core.format.LogFmt10;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.AuxCounters;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/// What low-latency combine does with replies: encodes a row, sums BF16 rows, sums encoded rows.
/// `bytes` counts what is read and written.
@State(Scope.Thread)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Fork(
    value = 2,
    jvmArgsAppend = {"--add-modules", "jdk.incubator.vector"})
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 500, timeUnit = TimeUnit.MILLISECONDS)
public class ReplyKernelBench {
  @Param({"vector", "scalar"})
  String kernel;

  @Param({"7168"})
  int hidden;

  @Param({"8"})
  int rows;

  @Param({"1", "256"})
  int workingSetMib;

  private Arena arena;
  private WeightedSumKernel sums;
  private LogFmtKernel logFmt;
  private WeightedSumKernel.Rows set;
  private MemorySegment plain;
  private MemorySegment encoded;
  private MemorySegment out;
  private int numRows;
  private int next;

  /// Bytes a second.
  @AuxCounters
  @State(Scope.Thread)
  public static class Moved {
    public long bytes;
  }

  @Setup(Level.Trial)
  public void prepare() {
    boolean vector = kernel.equals("vector");
    sums = vector ? new VectorWeightedSumKernel() : new ScalarWeightedSumKernel();
    logFmt = vector ? new VectorLogFmtKernel() : new ScalarLogFmtKernel();
    arena = Arena.ofConfined();
    set = new WeightedSumKernel.Rows(rows, hidden);
    numRows = (int) (((long) workingSetMib << 20) / (hidden * 2L));
    plain = arena.allocate(2L * numRows * hidden, 64);
    encoded = arena.allocate(numRows * LogFmt10.maxRowBytes(hidden), 64);
    out = arena.allocate(hidden * 2L, 64);
    SplittableRandom random = new SplittableRandom(1);
    for (long at = 0; at < plain.byteSize(); at += 2) {
      plain.set(JAVA_SHORT, at, (short) (random.nextInt(2) << 15 | 0x3d00 + random.nextInt(0x280)));
    }
    for (int row = 0; row < numRows; row++) {
      encodeRow(logFmt, row);
    }
    check();
  }

  private long encodeRow(LogFmtKernel encoder, int row) {
    long to = row * LogFmt10.maxRowBytes(hidden);
    return encoder.encodeRow(plain, 2L * row * hidden, encoded, to, hidden);
  }

  /// Wrong sums are not worth timing.
  private void check() {
    WeightedSumKernel scalar = new ScalarWeightedSumKernel();
    MemorySegment wanted = arena.allocate(hidden * 2L, 64);
    takeRows(plain, hidden * 2L);
    sums.sum(set, out, 0);
    scalar.sum(set, wanted, 0);
    checkSame("sum", wanted);
    takeRows(encoded, LogFmt10.maxRowBytes(hidden));
    sums.sumEncoded(set, logFmt, out, 0);
    scalar.sumEncoded(set, new ScalarLogFmtKernel(), wanted, 0);
    checkSame("sum of encoded rows", wanted);
  }

  private void checkSame(String name, MemorySegment wanted) {
    if (out.mismatch(wanted) >= 0) {
      throw new IllegalStateException(name + " is wrong: at=" + out.mismatch(wanted));
    }
  }

  private int takeRow() {
    next = next + 1 < numRows ? next + 1 : 0;
    return next;
  }

  private void takeRows(MemorySegment memory, long pitch) {
    set.clear();
    for (int row = 0; row < rows; row++) {
      set.add(memory, takeRow() * pitch, 0.1f * row);
    }
  }

  @Benchmark
  public void sum(Moved moved) {
    takeRows(plain, hidden * 2L);
    sums.sum(set, out, 0);
    moved.bytes += (rows + 1L) * hidden * 2;
  }

  @Benchmark
  public void sumEncoded(Moved moved) {
    takeRows(encoded, LogFmt10.maxRowBytes(hidden));
    sums.sumEncoded(set, logFmt, out, 0);
    moved.bytes += rows * LogFmt10.codedRowBytes(hidden) + hidden * 2L;
  }

  @Benchmark
  public void encode(Moved moved) {
    moved.bytes += encodeRow(logFmt, takeRow()) + hidden * 2L;
  }

  @TearDown(Level.Trial)
  public void free() {
    arena.close();
  }
}
