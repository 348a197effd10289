package io.crossdock.host;

import io.crossdock.ffi.LibC;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
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

/// Copies of a row into the windows of its destinations: whole or in pieces, against the C library,
/// and the runs of rows that owned placement and staging copy. `bytes` counts what is written.
@State(Scope.Thread)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Fork(value = 2, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
@Warmup(iterations = 5, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 5, time = 500, timeUnit = TimeUnit.MILLISECONDS)
public class RowCopyBench {
  private static final int ROWS_OF_A_RUN = 64;

  @Param({"7168", "14336"})
  int rowBytes;

  @Param({"1", "4"})
  int destinations;

  @Param({"1", "2"})
  int pieces;

  @Param({"2", "256"})
  int workingSetMib;

  private Arena arena;
  private MemorySegment source;
  private MemorySegment[] windows;
  private WorkerPool pool;
  private final CopyTask copy = new CopyTask();
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
    arena = Arena.ofShared();
    pool = new WorkerPool("bench");
    numRows = ((long) workingSetMib << 20) / rowBytes;
    source = arena.allocate(numRows * rowBytes, 64).fill((byte) 1);
    windows = new MemorySegment[destinations];
    for (int i = 0; i < destinations; i++) {
      windows[i] = arena.allocate(numRows * rowBytes, 64);
    }
    check();
  }

  /// Bytes that did not arrive are not worth timing.
  private void check() {
    Moved moved = new Moved();
    for (long row = 0; row < numRows; row++) {
      segments(moved);
    }
    for (MemorySegment window : windows) {
      if (window.mismatch(source) >= 0) {
        throw new IllegalStateException("row is wrong: at=" + window.mismatch(source));
      }
    }
  }

  /// {@return where a run of rows begins, behind the one taken before}
  private long take(long rows) {
    long first = next + rows <= numRows ? next : 0;
    next = first + rows;
    return first * rowBytes;
  }

  @Benchmark
  public void segments(Moved moved) {
    long at = take(1);
    long pieceBytes = rowBytes / pieces;
    for (int piece = 0; piece < pieces; piece++) {
      for (MemorySegment window : windows) {
        long offset = at + piece * pieceBytes;
        MemorySegment.copy(source, offset, window, offset, pieceBytes);
      }
    }
    moved.bytes += (long) rowBytes * destinations;
  }

  @Benchmark
  public void libc(Moved moved) {
    long at = take(1);
    for (MemorySegment window : windows) {
      LibC.copy(window.asSlice(at, rowBytes), source.asSlice(at, rowBytes), rowBytes);
    }
    moved.bytes += (long) rowBytes * destinations;
  }

  @Benchmark
  public void run(Moved moved) {
    long rows = Math.min(ROWS_OF_A_RUN, numRows);
    long at = take(rows);
    for (MemorySegment window : windows) {
      copy.from(source, at, rowBytes).to(window, at).copy(rows, rowBytes, pool, 1);
    }
    moved.bytes += rows * rowBytes * destinations;
  }

  @TearDown(Level.Trial)
  public void free() {
    pool.close();
    arena.close();
  }
}
