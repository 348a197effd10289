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

/// Sums of BF16 rows by both kernels. `bytes` counts what is read and written.
///
/// Rows are taken one set after another from a working set that fits a cache or not. The vector
/// kernel is some thousand times slower until it is compiled, hence the long warm-up.
@State(Scope.Thread)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Fork(
    value = 2,
    jvmArgsAppend = {"--add-modules", "jdk.incubator.vector"})
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 500, timeUnit = TimeUnit.MILLISECONDS)
public class SumKernelBench {
  @Param({"vector", "scalar"})
  String kernel;

  @Param({"7168"})
  int hidden;

  @Param({"1", "2", "4", "8"})
  int rows;

  @Param({"4"})
  int rowsPerPass;

  @Param({"1", "256"})
  int workingSetMib;

  private Arena arena;
  private SumKernel chosen;
  private SumKernel.Work work;
  private RowSet set;
  private MemorySegment memory;
  private MemorySegment out;
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
    chosen = kernel.equals("vector") ? new VectorSumKernel() : new ScalarSumKernel();
    work = new SumKernel.Work(hidden);
    work.rowsPerPass = rowsPerPass;
    set = new RowSet(rows);
    memory = arena.allocate((long) workingSetMib << 20, 64);
    out = arena.allocate(hidden * 2L, 64);
    SplittableRandom random = new SplittableRandom(1);
    for (long at = 0; at < memory.byteSize(); at += 2) {
      memory.set(JAVA_SHORT, at, (short) (0x3f00 + random.nextInt(0x100)));
    }
    check();
  }

  /// A wrong sum is not worth timing.
  private void check() {
    takeRows();
    chosen.sum(set, out, 0, work);
    MemorySegment wanted = arena.allocate(hidden * 2L, 64);
    new ScalarSumKernel().sum(set, wanted, 0, work);
    if (out.mismatch(wanted) >= 0) {
      throw new IllegalStateException("sum is wrong: at=" + out.mismatch(wanted));
    }
  }

  private void takeRows() {
    set.clear();
    long rowBytes = hidden * 2L;
    for (int row = 0; row < rows; row++) {
      next = next + 2 * rowBytes <= memory.byteSize() ? next + rowBytes : 0;
      set.add(memory, next);
    }
  }

  @Benchmark
  public void sum(Moved moved) {
    takeRows();
    chosen.sum(set, out, 0, work);
    moved.bytes += (rows + 1L) * hidden * 2;
  }

  @TearDown(Level.Trial)
  public void free() {
    arena.close();
  }
}
