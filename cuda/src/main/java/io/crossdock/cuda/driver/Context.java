package io.crossdock.cuda.driver;

/// The primary context of a GPU, the one that other CUDA libraries of the process use too. What is
/// made in it must be closed before it.
///
/// The owners of this package make their context current on the calling thread with every call and
/// leave it current.
///
/// Safe for any thread.
public final class Context implements AutoCloseable {
  private final Gpu gpu;
  private final Handle handle;
  private final Spares<Long, PinnedMemory.Block> sparePinned = new Spares<>();
  private final Spares<Stream.Use, Long> spareStreams = new Spares<>();

  private Context(Gpu gpu, Handle handle) {
    this.gpu = gpu;
    this.handle = handle;
  }

  /// Retains the primary context of a GPU. Everyone who retains it closes it.
  ///
  /// @param gpu where
  /// @return the context, not yet current
  public static Context retain(Gpu gpu) {
    Scratch scratch = Scratch.get();
    Driver.CONTEXT_RETAIN.check(Driver.CONTEXT_RETAIN.call(scratch.address(), gpu.device()));
    return new Context(gpu, new Handle(Owned.CONTEXT, scratch.word(0)));
  }

  /// {@return the raw handle of the context that is current on this thread; 0 if there is none}
  public static long current() {
    Driver.start();
    Scratch scratch = Scratch.get();
    Driver.CONTEXT_GET_CURRENT.check(Driver.CONTEXT_GET_CURRENT.call(scratch.address()));
    return scratch.word(0);
  }

  /// {@return its GPU}
  public Gpu gpu() {
    return gpu;
  }

  /// {@return the `CUcontext`}
  public long rawHandle() {
    return handle.value();
  }

  /// Makes this context current on the calling thread; cheap when it already is.
  public void makeCurrent() {
    Driver.CONTEXT_SET_CURRENT.check(Driver.CONTEXT_SET_CURRENT.call(handle.value()));
  }

  /// Lets kernels of this context reach memory of another one. Fine if they can already.
  ///
  /// @param peer the other context; this one itself needs nothing
  public void enablePeerAccess(Context peer) {
    if (peer.rawHandle() == rawHandle()) {
      return;
    }
    makeCurrent();
    int code = Driver.CONTEXT_ENABLE_PEER.call(peer.rawHandle(), 0);
    if (code != Driver.PEER_ACCESS_ALREADY_ENABLED) {
      Driver.CONTEXT_ENABLE_PEER.check(code);
    }
  }

  /// Pinned memory by its size.
  Spares<Long, PinnedMemory.Block> sparePinned() {
    return sparePinned;
  }

  /// Idle streams.
  Spares<Stream.Use, Long> spareStreams() {
    return spareStreams;
  }

  /// {@return bytes of the GPU's memory that nobody uses}
  public long freeBytes() {
    makeCurrent();
    Scratch scratch = Scratch.get();
    int code = Driver.MEMORY_INFO.call(scratch.address(), scratch.addressOf(1));
    Driver.MEMORY_INFO.check(code);
    return scratch.word(0);
  }

  /// Gives the context up. It ends when nobody retains it.
  @Override
  public void close() {
    if (handle.close()) {
      Driver.CONTEXT_SET_CURRENT.check(Driver.CONTEXT_SET_CURRENT.call(handle.closedValue()));
      spareStreams.releaseAll(Stream::destroy);
      sparePinned.releaseAll(PinnedMemory.Block::free);
      Driver.checkRelease(Driver.CONTEXT_RELEASE, Driver.CONTEXT_RELEASE.call(gpu.device()));
    }
  }

  @Override
  public String toString() {
    return "context of " + gpu;
  }
}
