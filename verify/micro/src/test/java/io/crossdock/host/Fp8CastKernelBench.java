package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_SHORT;

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

/// Casts of BF16 rows to FP8 by both kernels, and copies of as many bytes as the floor. `bytes`
/// counts what is read and written.
///
/// Rows are taken one after another from a working set that fits a cache or not.
@State(Scope.Thread)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Fork(
    value = 2,
    jvmArgsAppend = {"--add-modules", "jdk.incubator.vector"})
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 500, timeUnit = TimeUnit.MILLISECONDS)
public class Fp8CastKernelBench {
  @Param({"vector", "scalar"})
  String kernel;

  @Param({"7168"})
  int hidden;

  @Param({"1", "256"})
  int workingSetMib;

  private Arena arena;
  private Fp8CastKernel chosen;
  private MemorySegment rows;
  private MemorySegment codes;
  private long numRows;
  private long next;

  /// Bytes a second.
  @AuxCounters
  @State(Scope.Thread)
  public static class Moved {
    public long bytes;
  }

  @Setup(Level.Trial)
  public void prepare() {
    arena = Arena.ofConfined();
    chosen = kernel.equals("vector") ? new VectorFp8CastKernel(hidden) : scalar();
    numRows = ((long) workingSetMib << 20) / slotBytes();
    rows = arena.allocate(numRows * hidden * 2L, 64);
    codes = arena.allocate(numRows * slotBytes(), 64);
    SplittableRandom random = new SplittableRandom(1);
    for (long at = 0; at < rows.byteSize(); at += 2) {
      rows.set(JAVA_SHORT, at, (short) (random.nextInt(2) << 15 | 0x3d00 + random.nextInt(0x300)));
    }
    check();
  }

  private Fp8CastKernel scalar() {
    return new ScalarFp8CastKernel(hidden);
  }

  private long slotBytes() {
    return hidden + hidden / 128 * 4L;
  }

  /// A wrong cast is not worth timing.
  private void check() {
    MemorySegment got = codes.asSlice(0, slotBytes());
    MemorySegment wanted = arena.allocate(slotBytes(), 64);
    chosen.cast(rows, 0, got, 0, hidden);
    scalar().cast(rows, 0, wanted, 0, hidden);
    if (got.mismatch(wanted) >= 0) {
      throw new IllegalStateException("cast is wrong: at=" + got.mismatch(wanted));
    }
  }

  private long row() {
    next = next + 1 < numRows ? next + 1 : 0;
    return next;
  }

  @Benchmark
  public void amax(Moved moved) {
    long row = row();
    long to = row * slotBytes();
    chosen.cast(rows, row * hidden * 2L, codes, to, to + hidden);
    moved.bytes += hidden * 2L + slotBytes();
  }

  @Benchmark
  public void powerOfTwo(Moved moved) {
    long row = row();
    long to = row * slotBytes();
    chosen.castRounded(rows, row * hidden * 2L, codes, to, to + hidden);
    moved.bytes += hidden * 2L + slotBytes();
  }

  /// The floor: as many bytes written, and as many of the source read.
  @Benchmark
  public void copy(Moved moved) {
    long row = row();
    MemorySegment.copy(rows, row * hidden * 2L, codes, row * slotBytes(), slotBytes());
    moved.bytes += 2 * slotBytes();
  }

  @TearDown(Level.Trial)
  public void free() {
    arena.close();
  }
}
