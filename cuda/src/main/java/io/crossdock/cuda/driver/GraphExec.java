package io.crossdock.cuda.driver;

/// A graph that can be launched any number of times; its launches never overlap.
///
/// Safe for any thread, one at a time.
public final class GraphExec implements AutoCloseable {
  private final Context context;
  private final Handle handle;

  GraphExec(Context context, long value) {
    this.context = context;
    this.handle = new Handle(Owned.EXECUTABLE_GRAPH, value);
  }

  /// {@return the `CUgraphExec`}
  public long rawHandle() {
    return handle.value();
  }

  /// Brings the graph to the GPU, so that its first launch takes no longer than others.
  ///
  /// @param stream where that is enqueued
  public void upload(Stream stream) {
    context.makeCurrent();
    Driver.GRAPH_UPLOAD.check(Driver.GRAPH_UPLOAD.call(handle.value(), stream.rawHandle()));
  }

  /// Enqueues all work of the graph.
  ///
  /// @param stream where
  public void launch(Stream stream) {
    context.makeCurrent();
    Driver.GRAPH_LAUNCH.check(Driver.GRAPH_LAUNCH.call(handle.value(), stream.rawHandle()));
  }

  /// Destroys it; a launch that runs still ends.
  @Override
  public void close() {
    if (handle.close()) {
      context.makeCurrent();
      int code = Driver.GRAPH_EXEC_DESTROY.call(handle.closedValue());
      Driver.checkRelease(Driver.GRAPH_EXEC_DESTROY, code);
    }
  }
}
