package io.crossdock.cuda.driver;

/// Captured work. Nothing runs until it is instantiated and launched.
///
/// Safe for any thread, one at a time.
public final class Graph implements AutoCloseable {
  private final Context context;
  private final Handle handle;

  Graph(Context context, long value) {
    this.context = context;
    this.handle = new Handle(Owned.GRAPH, value);
  }

  /// {@return the `CUgraph`}
  public long rawHandle() {
    return handle.value();
  }

  /// Makes the graph ready to launch. The graph may be closed before what comes out.
  ///
  /// @return owned by the caller
  public GraphExec instantiate() {
    context.makeCurrent();
    Scratch scratch = Scratch.get();
    int code = Driver.GRAPH_INSTANTIATE.call(scratch.address(), handle.value(), 0L);
    Driver.GRAPH_INSTANTIATE.check(code);
    return new GraphExec(context, scratch.word(0));
  }

  @Override
  public void close() {
    if (handle.close()) {
      context.makeCurrent();
      Driver.checkRelease(Driver.GRAPH_DESTROY, Driver.GRAPH_DESTROY.call(handle.closedValue()));
    }
  }
}
