package io.crossdock.cuda;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.crossdock.core.StandInWork;
import io.crossdock.cuda.driver.Launch;
import io.crossdock.cuda.driver.LaunchShape;
import io.crossdock.cuda.driver.Stream;
import java.lang.foreign.Arena;

/// The kernel that computes for nothing.
///
/// Confined to the thread that uses the buffer.
final class CudaStandIn {
  private static final long NUM_STEPS = Structs.BUSY.offset("num_steps");
  private static final long SINK = Structs.BUSY.offset("sink");

  /// Blocks that one multiprocessor runs at once.
  private static final int BLOCKS = 2;

  private final CudaContext context;
  private final Launch launch;
  private final LaunchShape ofRank;
  private final LaunchShape ofDevice;

  CudaStandIn(CudaContext context, Resources resources) {
    this.context = context;
    Arena arena = Arena.ofShared();
    resources.add(arena);
    launch = new Launch(arena, context.gpu.function(Kernel.BUSY_WORK), Structs.BUSY.byteSize());
    launch.args().set(JAVA_LONG, SINK, context.local.state);
    int threads = launch.function().maxThreads();
    ofRank = new LaunchShape(BLOCKS * context.share(), threads, 0);
    ofDevice = new LaunchShape(BLOCKS * context.gpu.numSms(), threads, 0);
  }

  /// Enqueues on the current stream; waits for the work where there is none.
  void compute(StandInWork.Extent extent, long steps) {
    GpuStream current = GpuStream.currentOnGpu();
    Stream stream = current == null ? context.gpu.service() : current.driver();
    launch.args().set(JAVA_LONG, NUM_STEPS, steps);
    launch.run(stream, extent == StandInWork.Extent.RANK ? ofRank : ofDevice);
    if (current == null) {
      stream.drain(context.wait.bound());
    }
  }
}
