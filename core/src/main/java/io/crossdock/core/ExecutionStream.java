package io.crossdock.core;

import java.util.Optional;

/// An order of work: what is given to a stream runs after what was given to it before.
///
/// A thread has a current stream. It is the thread itself, whose work is done when its calls
/// return, unless the thread runs the work of a stream or made one current.
///
/// Safe for any thread.
public abstract class ExecutionStream implements AutoCloseable {
  private static final ThreadLocal<ExecutionStream> CURRENT = new ThreadLocal<>();

  /// For engines.
  protected ExecutionStream() {}

  /// Creates a stream of the host: a thread that runs work in the order of submission. It starts
  /// with the first work submitted.
  ///
  /// @param name appears in thread dumps
  /// @return the stream
  public static ExecutionStream create(String name) {
    return new HostStream(name);
  }

  /// {@return the stream whose work the calling thread runs, or that it made current; empty when
  /// the thread is its own stream}
  public static Optional<ExecutionStream> current() {
    return Optional.ofNullable(CURRENT.get());
  }

  /// {@return as [#current()], but null when the thread is its own stream; allocates nothing}
  protected static ExecutionStream currentOrNull() {
    return CURRENT.get();
  }

  /// Makes a stream the current one of the calling thread.
  ///
  /// @param stream the stream, or null for the thread itself
  /// @return the one before, or null
  protected static ExecutionStream exchangeCurrent(ExecutionStream stream) {
    ExecutionStream before = CURRENT.get();
    // Never removed: setting it again would allocate.
    CURRENT.set(stream);
    return before;
  }

  /// Runs work with a stream as the current one of the calling thread.
  ///
  /// @param stream current meanwhile
  /// @param work runs at once
  protected static void runWithCurrent(ExecutionStream stream, Runnable work) {
    ExecutionStream before = exchangeCurrent(stream);
    try {
      work.run();
    } finally {
      exchangeCurrent(before);
    }
  }

  /// Appends work and returns. A host stream runs it later, on its own thread; a GPU stream runs it
  /// now, with itself as the current stream, since work there only enqueues.
  ///
  /// @param work runs after everything submitted before
  /// @return complete when the work is, with its exception if it threw; work that ran now may throw
  ///   at once instead
  public abstract EventOverlap submit(Runnable work);

  /// {@return an event that is complete when all work submitted so far is}
  public abstract EventOverlap capture();

  /// Orders later work of this stream after what the caller's current stream was given so far. A
  /// host stream has nothing to do: a thread's work is over when its calls return.
  public abstract void follow();

  /// Runs work on the calling thread as part of this stream, behind all that was submitted; the
  /// caller's current stream continues after it. A host stream is idle before the work starts. A
  /// GPU stream is the current stream of the work, which only enqueues; a caller without a GPU
  /// stream is blocked, bounded, until what was enqueued is over.
  ///
  /// @param work runs before this returns; what it throws is thrown
  public abstract void execute(Runnable work);

  /// Makes sure that what the calling thread does next comes behind the work submitted. A host
  /// stream waits for it, unless this is called by that work; on a GPU the order of the stream is
  /// enough.
  public abstract void awaitSubmitted();

  /// Lets work already submitted finish, then ends the stream. Bounded. Idempotent.
  @Override
  public abstract void close();
}
