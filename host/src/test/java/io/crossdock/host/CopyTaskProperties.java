package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.ffi.GuardedMemory;
import io.crossdock.ffi.GuardedMemory.Edge;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;

class CopyTaskProperties {
  private static final byte CANARY = 0x5a;
  private static final int MARGIN = 9;

  @Property(tries = 300)
  void rowsArriveWithoutGapsAndNothingElseIsWritten(
      @ForAll @IntRange(max = 300) int rows,
      @ForAll @IntRange(min = 1, max = 5000) int rowBytes,
      @ForAll @IntRange(max = 3) int padding,
      @ForAll @IntRange(min = 1, max = 4) int workers) {
    int pitch = rowBytes + padding;
    MemorySegment from = noise(MARGIN + rows * pitch);
    MemorySegment to = MemorySegment.ofArray(new byte[rows * rowBytes + 2 * MARGIN]).fill(CANARY);
    try (WorkerPool pool = new WorkerPool("test")) {
      new CopyTask().from(from, MARGIN, pitch).to(to, MARGIN).copy(rows, rowBytes, pool, workers);
    }
    for (int row = 0; row < rows; row++) {
      MemorySegment got = to.asSlice(MARGIN + (long) row * rowBytes, rowBytes);
      MemorySegment wanted = from.asSlice(MARGIN + (long) row * pitch, rowBytes);
      assertThat(got.mismatch(wanted)).as("row=%d", row).isEqualTo(-1);
    }
    for (int i = 0; i < MARGIN; i++) {
      assertThat(to.get(JAVA_BYTE, i)).isEqualTo(CANARY);
      assertThat(to.get(JAVA_BYTE, to.byteSize() - 1 - i)).isEqualTo(CANARY);
    }
  }

  /// A strided source ends with its last row: there is no padding behind it to be read.
  @Property(tries = 60)
  void nothingBeyondTheLastRowIsTouched(
      @ForAll Edge edge,
      @ForAll @IntRange(min = 1, max = 600) int rows,
      @ForAll @IntRange(min = 1, max = 5000) int rowBytes,
      @ForAll @IntRange(max = 70) int padding) {
    int pitch = rowBytes + padding;
    long span = (rows - 1L) * pitch + rowBytes;
    try (GuardedMemory from = GuardedMemory.allocate(span, edge);
        GuardedMemory to = GuardedMemory.allocate((long) rows * rowBytes, edge);
        WorkerPool pool = new WorkerPool("test")) {
      from.segment().copyFrom(noise((int) span));
      new CopyTask()
          .from(from.segment(), 0, pitch)
          .to(to.segment(), 0)
          .copy(rows, rowBytes, pool, 2);
      for (long row = 0; row < rows; row++) {
        MemorySegment got = to.segment().asSlice(row * rowBytes, rowBytes);
        assertThat(got.mismatch(from.segment().asSlice(row * pitch, rowBytes))).isEqualTo(-1);
      }
    }
  }

  /// More than a chunk holds, on several workers.
  @Example
  void longRunsAreCutIntoChunks() {
    int rowBytes = 14_336;
    int rows = 129;
    MemorySegment from = noise(rows * rowBytes);
    MemorySegment to = MemorySegment.ofArray(new byte[rows * rowBytes]);
    try (WorkerPool pool = new WorkerPool("test")) {
      new CopyTask().from(from, 0, rowBytes).to(to, 0).copy(rows, rowBytes, pool, 3);
    }
    assertThat(to.mismatch(from)).isEqualTo(-1);
  }

  @Example
  void nothingToCopyTouchesNothing() {
    try (WorkerPool pool = new WorkerPool("test")) {
      new CopyTask().from(MemorySegment.NULL, 0, 8).to(MemorySegment.NULL, 0).copy(0, 8, pool, 2);
      new CopyTask().from(MemorySegment.NULL, 0, 0).to(MemorySegment.NULL, 0).copy(9, 0, pool, 2);
    }
  }

  private static MemorySegment noise(int bytes) {
    byte[] noise = new byte[bytes];
    new SplittableRandom(bytes).nextBytes(noise);
    return MemorySegment.ofArray(noise);
  }
}
