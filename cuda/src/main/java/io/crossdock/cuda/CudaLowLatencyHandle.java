package io.crossdock.cuda;

import io.crossdock.core.protocol.LowLatencyHandleData;
import java.lang.ref.Cleaner;
import java.util.ArrayDeque;
import java.util.Deque;

/// What a low-latency dispatch leaves on the GPU for its combine. The memory goes back when the
/// handle is lost: later calls of the same stream may use it at once.
///
/// Confined to the thread that runs the call.
final class CudaLowLatencyHandle extends LowLatencyHandleData {
  private static final Cleaner CLEANER = Cleaner.create();

  private final Control control;
  private final long block;
  private final Blocks blocks;
  private int combines;

  /// In which the dispatch was made.
  long generation;

  /// True once the receive half of the dispatch was enqueued.
  boolean received;

  /// True once a combine may have let its peers read the outputs where they lie.
  boolean read;

  CudaLowLatencyHandle(Blocks blocks, Control control) {
    this.blocks = blocks;
    this.control = control;
    this.block = blocks.take();
    long address = block;
    CLEANER.register(this, () -> blocks.giveBack(address));
  }

  long epochAddress() {
    return block;
  }

  /// A word for the epoch of the next combine: two may be in flight.
  long nextCombineEpoch() {
    return block + (1L + combines++ % 2) * Long.BYTES;
  }

  /// A word for how the rows of the dispatch travelled.
  long direct() {
    return block + 3L * Long.BYTES;
  }

  long choices() {
    return block + blocks.choicesAt;
  }

  long slots() {
    return block + blocks.slotsAt;
  }

  long ranks() {
    return block + blocks.ranksAt;
  }

  long rows() {
    return block + blocks.rowsAt;
  }

  long counts() {
    return block + blocks.countsAt;
  }

  @Override
  public long readEpoch() {
    return control.readLong(block);
  }

  /// Device memory of handles: | epochs [3] | direct | choices i32[tokens][K] | slots | ranks |
  /// rows, each like choices | counts i32[R][E/R] |
  ///
  /// Safe for any thread.
  static final class Blocks implements AutoCloseable {
    private static final int PREPARED = 4;

    private final GpuMemory memory;
    private final long choicesAt;
    private final long slotsAt;
    private final long ranksAt;
    private final long rowsAt;
    private final long countsAt;
    private final long byteSize;
    private final Deque<Long> free = new ArrayDeque<>();
    private final Deque<Long> all = new ArrayDeque<>();

    Blocks(GpuMemory memory, long maxSelections, int numExperts) {
      this.memory = memory;
      Cursor cursor = new Cursor();
      cursor.take(4, Long.BYTES);
      choicesAt = cursor.take(maxSelections, Integer.BYTES);
      slotsAt = cursor.take(maxSelections, Integer.BYTES);
      ranksAt = cursor.take(maxSelections, Integer.BYTES);
      rowsAt = cursor.take(maxSelections, Integer.BYTES);
      countsAt = cursor.take(numExperts, Integer.BYTES);
      byteSize = cursor.end(Cursor.LINE_BYTES);
      for (int i = 0; i < PREPARED; i++) {
        free.add(allocate());
      }
    }

    private long take() {
      Long block;
      synchronized (this) {
        block = free.poll();
      }
      return block != null ? block : allocate();
    }

    private long allocate() {
      long address = memory.take(byteSize);
      synchronized (this) {
        all.add(address);
      }
      return address;
    }

    private synchronized void giveBack(long block) {
      free.push(block);
    }

    @Override
    public synchronized void close() {
      for (Long block = all.poll(); block != null; block = all.poll()) {
        memory.giveBack(block);
      }
    }
  }
}
