package io.crossdock.cuda.driver;

import java.time.Duration;

/// A CUDA stream: work runs in the order in which it was enqueued.
///
/// Copies and fills of zero bytes enqueue nothing. Host memory of copies must stay valid until the
/// stream has passed them. If it is not pinned, a copy from the host returns when the memory has
/// been read, and a copy to the host when it has been written, which may wait for all earlier work.
///
/// Safe for any thread, but work of several threads is enqueued in no particular order.
public final class Stream implements AutoCloseable {
  private static final int NON_BLOCKING = 1;

  /// What a stream is for. The work of each use goes through hardware queues of its own: where
  /// streams share one, work of a stream waits behind that of another, and what waits for a peer
  /// must not stand before what the peer waits for.
  ///
  /// Safe for any thread.
  public enum Use {
    /// Kernels that wait for peers; the first to get free multiprocessors.
    COMMUNICATION,
    /// Short work that waits for nothing.
    SERVICE,
    /// Work of callers.
    COMPUTE
  }

  /// Where a stream comes from.
  ///
  /// Safe for any thread.
  private enum Origin {
    NEW,
    SPARE,
    FOREIGN
  }

  private final Context context;
  private final Handle handle;
  private final Origin origin;

  /// Null if someone else destroys it.
  private final Use use;

  private Stream(Context context, long stream, Use use, Origin origin) {
    this.context = context;
    this.origin = origin;
    this.handle = new Handle(Owned.STREAM, stream);
    this.use = use;
  }

  /// Takes an idle stream that was closed in this context, or creates one. It does not wait for the
  /// default stream.
  ///
  /// @param context where
  /// @param use what it is for
  /// @return the stream
  public static Stream create(Context context, Use use) {
    Long spare = context.spareStreams().take(use);
    return spare == null
        ? new Stream(context, make(context, use), use, Origin.NEW)
        : new Stream(context, spare, use, Origin.SPARE);
  }

  private static long make(Context context, Use use) {
    context.makeCurrent();
    Scratch scratch = Scratch.get();
    int priority = priority(use, scratch);
    int code = Driver.STREAM_CREATE.call(scratch.address(), NON_BLOCKING, priority);
    Driver.STREAM_CREATE.check(code);
    return scratch.word(0);
  }

  /// Lower numbers go first. A GPU without priorities answers 0 to 0.
  private static int priority(Use use, Scratch scratch) {
    long lowest = scratch.address();
    Driver.STREAM_PRIORITIES.check(Driver.STREAM_PRIORITIES.call(lowest, lowest + Long.BYTES));
    int first = (int) scratch.word(1);
    int last = (int) scratch.word(0);
    return use == Use.COMPUTE ? last : Math.min(last, first + use.ordinal());
  }

  /// Uses a stream of someone else, who destroys it; closing the wrapper does not.
  ///
  /// @param context the context that it belongs to
  /// @param rawHandle a `CUstream` or `cudaStream_t`; 0 is the default stream
  /// @return the stream
  public static Stream wrap(Context context, long rawHandle) {
    return new Stream(context, rawHandle, null, Origin.FOREIGN);
  }

  /// {@return true if [#create] found no idle stream and made this one}
  public boolean isNew() {
    return origin == Origin.NEW;
  }

  /// {@return its context}
  public Context context() {
    return context;
  }

  /// {@return the `CUstream`}
  public long rawHandle() {
    return handle.value();
  }

  /// Later work of this stream waits for an event. The host does not.
  ///
  /// @param event recorded before; one never recorded is no wait
  public void waitFor(Event event) {
    context.makeCurrent();
    int code = Driver.STREAM_WAIT_EVENT.call(handle.value(), event.rawHandle(), 0);
    Driver.STREAM_WAIT_EVENT.check(code);
  }

  /// Whether all work is done. Not to be asked of a stream that is captured.
  ///
  /// @return true if nothing is left
  /// @throws io.crossdock.ffi.NativeCallException also if earlier work failed
  public boolean isDone() {
    context.makeCurrent();
    int code = Driver.STREAM_QUERY.call(handle.value());
    if (code == Driver.NOT_READY) {
      return false;
    }
    Driver.STREAM_QUERY.check(code);
    return true;
  }

  /// Waits until all work is done.
  ///
  /// @param timeout at most
  /// @throws GpuTimeoutException if it takes longer, or the thread is interrupted
  /// @throws io.crossdock.ffi.NativeCallException if the work failed
  public void synchronize(Duration timeout) {
    GpuWait.await("stream", handle.value(), this::isDone, timeout, GpuWait.Interrupt.HEEDED);
  }

  /// Waits until all work is done, also while the thread is interrupted: for memory that the work
  /// uses and that is needed next.
  ///
  /// @param timeout at most
  /// @throws GpuTimeoutException if it takes longer
  /// @throws io.crossdock.ffi.NativeCallException if the work failed
  public void drain(Duration timeout) {
    GpuWait.await("stream", handle.value(), this::isDone, timeout, GpuWait.Interrupt.LEFT);
  }

  /// {@return true while what is enqueued goes into a graph}
  public boolean isCapturing() {
    context.makeCurrent();
    Scratch scratch = Scratch.get();
    int code = Driver.STREAM_IS_CAPTURING.call(handle.value(), scratch.address());
    Driver.STREAM_IS_CAPTURING.check(code);
    return scratch.firstInt() != 0;
  }

  /// From now on, what is enqueued goes into a graph. Streams that wait for an event of this one
  /// are captured too and must be joined again before [#endCapture].
  ///
  /// @param mode which other calls are refused meanwhile
  public void beginCapture(CaptureMode mode) {
    context.makeCurrent();
    int code = Driver.STREAM_BEGIN_CAPTURE.call(handle.value(), mode.code());
    Driver.STREAM_BEGIN_CAPTURE.check(code);
  }

  /// Ends the capture; unless it was relaxed, on the thread that began it.
  ///
  /// @return the graph, owned by the caller
  /// @throws io.crossdock.ffi.NativeCallException if something made the capture invalid
  public Graph endCapture() {
    context.makeCurrent();
    Scratch scratch = Scratch.get();
    int code = Driver.STREAM_END_CAPTURE.call(handle.value(), scratch.address());
    Driver.STREAM_END_CAPTURE.check(code);
    return new Graph(context, scratch.word(0));
  }

  /// Enqueues a copy.
  ///
  /// @param to device address
  /// @param from host address
  /// @param byteSize bytes
  public void hostToDevice(long to, long from, long byteSize) {
    copy(Driver.COPY_HOST_TO_DEVICE, to, from, byteSize);
  }

  /// Enqueues a copy.
  ///
  /// @param to host address
  /// @param from device address
  /// @param byteSize bytes
  public void deviceToHost(long to, long from, long byteSize) {
    copy(Driver.COPY_DEVICE_TO_HOST, to, from, byteSize);
  }

  /// Enqueues a copy on one GPU, or between GPUs whose contexts reach each other.
  ///
  /// @param to device address
  /// @param from device address
  /// @param byteSize bytes
  public void deviceToDevice(long to, long from, long byteSize) {
    copy(Driver.COPY_DEVICE_TO_DEVICE, to, from, byteSize);
  }

  private void copy(Symbol symbol, long to, long from, long byteSize) {
    if (byteSize == 0) {
      return;
    }
    context.makeCurrent();
    symbol.check(symbol.call(to, from, byteSize, handle.value()));
  }

  /// Enqueues a fill.
  ///
  /// @param address device address
  /// @param value of each byte
  /// @param byteSize bytes
  public void memset8(long address, byte value, long byteSize) {
    if (byteSize == 0) {
      return;
    }
    context.makeCurrent();
    Driver.SET_BYTES.check(Driver.SET_BYTES.call(address, value, byteSize, handle.value()));
  }

  /// Gives an own stream back to the context. Returns at once; work that is enqueued still runs.
  @Override
  public void close() {
    if (handle.close() && use != null) {
      context.makeCurrent();
      if (isIdle()) {
        context.spareStreams().keep(use, handle.closedValue());
      } else {
        destroy(handle.closedValue());
      }
    }
  }

  /// False also where the driver does not tell, as while the stream is captured.
  private boolean isIdle() {
    return Driver.STREAM_QUERY.call(handle.closedValue()) == 0;
  }

  static void destroy(long stream) {
    Driver.checkRelease(Driver.STREAM_DESTROY, Driver.STREAM_DESTROY.call(stream));
  }

  @Override
  public String toString() {
    return "stream 0x" + Long.toHexString(handle.closedValue()) + " of " + context.gpu();
  }
}
