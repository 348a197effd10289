package io.crossdock.cuda;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.crossdock.core.Tensor;
import io.crossdock.core.protocol.Entry;
import io.crossdock.cuda.driver.Launch;
import io.crossdock.cuda.driver.LaunchShape;
import io.crossdock.cuda.driver.Stream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;

/// One kernel of a session with its arguments, most of which stay from call to call.
///
/// Confined to the thread that runs the call.
final class Launcher {
  private static final long ENTRY = Structs.ENTER.offset("entry");
  private static final long HANDLE = Structs.ENTER.offset("handle");
  private static final long KIND = Structs.ENTRY.offset("kind");

  private final Launch launch;
  private final int numThreads;
  private final long reporting;

  private LaunchShape shape;

  /// @param allocator outlives the session
  Launcher(SegmentAllocator allocator, CudaGpu gpu, Kernel kernel) {
    this.launch = new Launch(allocator, gpu.function(kernel), kernel.args.byteSize());
    this.numThreads = launch.function().maxThreads();
    this.reporting = (kernel.isLowLatency() ? Structs.LL_CALL : kernel.args).offset("reporting");
    this.shape = new LaunchShape(1, numThreads, 0);
  }

  MemorySegment args() {
    return launch.args();
  }

  void put(long offset, long word) {
    launch.args().set(JAVA_LONG, offset, word);
  }

  /// Where rows begin and how far apart they lie; zeros for null.
  void putRows(long offset, Tensor rows) {
    put(offset, rows == null ? 0 : rows.segment().address());
    put(offset + 8, rows == null ? 0 : rows.pitchBytes());
  }

  /// Where memory begins; 0 for null.
  void putMemory(long offset, MemorySegment memory) {
    put(offset, memory == null ? 0 : memory.address());
  }

  /// What the rank enters with. The device fills the epochs.
  void putEntry(Entry entry) {
    put(ENTRY + KIND, entry.kind.ordinal());
    long at = ENTRY + KIND;
    put(at + 8, entry.window);
    put(at + 16, entry.capacityRows);
    put(at + 24, entry.outputRows);
    put(at + 32, entry.rowBytes);
    put(at + 40, entry.scaleBytes);
    put(at + 48, entry.topk);
    put(at + 56, entry.indexBytes);
    put(at + 64, entry.numExperts);
    put(at + 72, entry.weights);
    put(at + 80, entry.dtype);
    put(at + 96, entry.round);
    put(at + 104, entry.canRound);
  }

  void putHandle(HandleBlocks.Block block, boolean withSources) {
    put(HANDLE, block.epoch());
    put(HANDLE + 8, block.prefix());
    put(HANDLE + 16, block.positions());
    put(HANDLE + 24, withSources ? block.sources() : 0);
  }

  /// Where the kernel reports to.
  void putReporting(Ticket ticket) {
    put(reporting, ticket.address());
    put(reporting + 8, ticket.number());
    put(reporting + 16, ticket.isSticky() ? 1 : 0);
  }

  void run(Stream stream, int numBlocks, int sharedBytes) {
    launch.run(stream, shape(numBlocks, sharedBytes));
  }

  /// The same for a kernel that waits by itself for the one before it.
  void runEarly(Stream stream, int numBlocks, int sharedBytes) {
    launch.runEarly(stream, shape(numBlocks, sharedBytes));
  }

  private LaunchShape shape(int numBlocks, int sharedBytes) {
    if (shape.numBlocks() != numBlocks || shape.dynamicSharedBytes() != sharedBytes) {
      shape = new LaunchShape(numBlocks, numThreads, sharedBytes);
    }
    return shape;
  }
}
