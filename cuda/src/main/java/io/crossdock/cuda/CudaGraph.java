package io.crossdock.cuda;

import io.crossdock.cuda.driver.CaptureMode;
import io.crossdock.cuda.driver.Closing;
import io.crossdock.cuda.driver.Graph;
import io.crossdock.cuda.driver.GraphExec;

/// Calls that were captured once and run again with one launch. What can be captured: cached
/// dispatches, dispatches with `numWorstTokens`, combines, and the caller's own kernels, unless the
/// windows are so small that a call takes rounds. What a call fails with when the graph runs is
/// thrown by `EpBuffer.check()`.
///
/// All ranks launch in the order of their other calls. Buffers, tensors, results and handles of
/// captured calls must be kept as long as the graph: a launch after the buffer was closed would
/// touch memory that is gone. A buffer is not closed during a capture.
///
/// Safe for any thread, one at a time.
public final class CudaGraph implements AutoCloseable {
  private final GraphExec exec;

  private CudaGraph(GraphExec exec) {
    this.exec = exec;
  }

  /// Captures what some work enqueues on a stream; nothing runs.
  ///
  /// @param stream current while the work runs
  /// @param work enqueues
  /// @return the graph
  public static CudaGraph capture(CudaStream stream, Runnable work) {
    // Relaxed, since what a call does beside the stream, such as looking at an event, is harmless.
    stream.driver().beginCapture(CaptureMode.RELAXED);
    try (CudaStream.Current _ = stream.makeCurrent()) {
      work.run();
    } catch (RuntimeException | Error e) {
      Closing.after(e, () -> stream.driver().endCapture().close());
      throw e;
    }
    try (Graph graph = stream.driver().endCapture()) {
      return new CudaGraph(uploaded(graph.instantiate(), stream));
    }
  }

  private static GraphExec uploaded(GraphExec exec, CudaStream stream) {
    try {
      exec.upload(stream.driver());
      return exec;
    } catch (RuntimeException | Error e) {
      Closing.after(e, exec);
      throw e;
    }
  }

  /// Enqueues all work of the graph.
  ///
  /// @param stream where
  public void launch(CudaStream stream) {
    exec.launch(stream.driver());
  }

  /// Destroys the graph; a launch that runs still ends.
  @Override
  public void close() {
    exec.close();
  }
}
