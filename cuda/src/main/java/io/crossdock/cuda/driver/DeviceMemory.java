package io.crossdock.cuda.driver;

/// Memory of a GPU, aligned to 256 bytes at least and not zeroed.
///
/// Safe for any thread.
public final class DeviceMemory implements ShareableMemory {
  private final Context context;
  private final Handle handle;
  private final long byteSize;

  private DeviceMemory(Context context, Handle handle, long byteSize) {
    this.context = context;
    this.handle = handle;
    this.byteSize = byteSize;
  }

  /// Allocates. May wait for the GPU; see [MemoryPool] for memory in the order of a stream.
  ///
  /// @param context where
  /// @param byteSize bytes, at least 1
  /// @return the memory
  public static DeviceMemory allocate(Context context, long byteSize) {
    context.makeCurrent();
    Scratch scratch = Scratch.get();
    int code = Driver.MEMORY_ALLOCATE.call(scratch.address(), byteSize);
    if (code != 0) {
      throw Driver.failure(Driver.MEMORY_ALLOCATE, code, "byteSize=" + byteSize);
    }
    return new DeviceMemory(context, new Handle(Owned.DEVICE_MEMORY, scratch.word(0)), byteSize);
  }

  /// {@return its context}
  public Context context() {
    return context;
  }

  @Override
  public long address() {
    return handle.value();
  }

  @Override
  public long byteSize() {
    return byteSize;
  }

  /// Makes the memory known to other processes of this machine.
  ///
  /// @return what [IpcMemory#open] takes there; valid until this memory is closed
  @Override
  public IpcHandle export() {
    context.makeCurrent();
    Scratch scratch = Scratch.get();
    Driver.IPC_GET.check(Driver.IPC_GET.call(scratch.address(), handle.value()));
    return IpcHandle.copyOf(scratch.segment());
  }

  /// Frees the memory; waits for work of the GPU that may use it.
  @Override
  public void close() {
    if (handle.close()) {
      context.makeCurrent();
      Driver.checkRelease(Driver.MEMORY_FREE, Driver.MEMORY_FREE.call(handle.closedValue()));
    }
  }
}
