package io.crossdock.cuda;

import io.crossdock.core.InvalidInputException;
import io.crossdock.core.RecordedCalls;

/// Calls of a buffer in a graph.
///
/// Confined to the thread that uses the buffer.
final class CudaRecording implements RecordedCalls {
  private final CudaGraph graph;

  private CudaRecording(CudaGraph graph) {
    this.graph = graph;
  }

  /// @param work enqueues on the current stream, and nothing of it runs
  static CudaRecording of(Runnable work) {
    return new CudaRecording(CudaGraph.capture(current(), work));
  }

  private static CudaStream current() {
    if (GpuStream.currentOnGpu() instanceof CudaStream stream) {
      return stream;
    }
    throw new InvalidInputException(
        "calls are recorded and replayed on a current stream of the GPU:"
            + " current=none, remedy=CudaStream.makeCurrent or EpBuffer.onOwnStream");
  }

  @Override
  public void replay() {
    graph.launch(current());
  }

  @Override
  public void close() {
    graph.close();
  }
}
