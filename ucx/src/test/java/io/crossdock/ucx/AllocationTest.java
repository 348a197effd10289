package io.crossdock.ucx;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import io.crossdock.core.spi.Pieces;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;
import java.lang.management.ManagementFactory;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Puts, signals and progress, upcalls among it, allocate nothing on the heap once they are
/// compiled: the least of many rounds counts.
///
/// Confined to the thread of the test.
final class AllocationTest {
  private static final long ROW_BYTES = 14336;
  private static final int ROWS = 24;
  private static final long ROWS_AT = 4096;
  private static final long REGION_BYTES = ROWS_AT + ROWS * ROW_BYTES;
  private static final int CALLS = 200;
  private static final long BOUND_NANOS = TimeUnit.SECONDS.toNanos(40);
  private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();
  private static final VarHandle NUMBER = JAVA_LONG.varHandle();

  private final Pieces rows = new Pieces();
  private final Pieces word = new Pieces();
  private long mark;

  @BeforeAll
  static void needUcx() {
    Ucx.require();
  }

  @ParameterizedTest
  @EnumSource
  void steadyStateAllocatesNothing(PutsKind kind) {
    try (Arena arena = Arena.ofShared()) {
      MemorySegment target = Ucx.memory(arena, REGION_BYTES);
      MemorySegment source = Ucx.memory(arena, 2 * REGION_BYTES);
      try (UcxTransport a = Ucx.open(kind, 0, 2, Ucx.memory(arena, REGION_BYTES));
          UcxTransport b = Ucx.open(kind, 1, 2, target)) {
        Ucx.connect(a, b);
        for (int row = 0; row < ROWS; row++) {
          rows.add(source, 2L * row * ROW_BYTES, ROW_BYTES);
        }
        word.add(source, 0, 8);
        assertThat(leastBytes(a, b, target)).isZero();
      }
    }
  }

  private long leastBytes(UcxTransport a, UcxTransport b, MemorySegment target) {
    long self = Thread.currentThread().threadId();
    long start = System.nanoTime();
    long least = Long.MAX_VALUE;
    while (least > 0 && System.nanoTime() - start < BOUND_NANOS) {
      long before = THREADS.getThreadAllocatedBytes(self);
      for (int call = 0; call < CALLS; call++) {
        send(a, b, target);
      }
      least = Math.min(least, THREADS.getThreadAllocatedBytes(self) - before);
    }
    return least;
  }

  private void send(UcxTransport a, UcxTransport b, MemorySegment target) {
    mark++;
    a.put(1, ROWS_AT, rows);
    a.signal(1, 0, mark);
    a.put(1, 128, word);
    a.signal(1, 64, mark);
    while ((long) NUMBER.getAcquire(target, 64L) != mark || a.pending() > 0) {
      a.progress();
      b.progress();
    }
  }
}
