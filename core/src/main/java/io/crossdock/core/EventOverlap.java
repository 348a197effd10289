package io.crossdock.core;

/// A point in a stream of work that other work can wait for.
///
/// As a resource of a try statement it lets independent work run inside the block and waits at its
/// end.
///
/// Safe for any thread.
public abstract class EventOverlap implements AutoCloseable {
  /// An event that is complete.
  public static final EventOverlap COMPLETED = new Completed();

  /// For engines.
  protected EventOverlap() {}

  /// {@return true if the work before the event is over, well or badly}
  public abstract boolean isDone();

  /// Makes the current stream wait for the event. A thread that made no GPU stream current is
  /// itself the current stream, so it blocks, bounded, until the work before the event is over.
  ///
  /// @throws CrossdockException what the work failed with, or that the bound was reached: a
  ///   [WaitTimeoutException], of a GPU's event the engine's own type
  public abstract void currentStreamWait();

  /// Same as [#currentStreamWait()], except that a failure thrown there before is the cause of
  /// another exception here: inside a try statement no exception may come twice.
  @Override
  public abstract void close();

  private static final class Completed extends EventOverlap {
    @Override
    public boolean isDone() {
      return true;
    }

    @Override
    public void currentStreamWait() {
      // Nothing to wait for.
    }

    @Override
    public void close() {
      // Nothing to wait for.
    }
  }
}
