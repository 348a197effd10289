package io.crossdock.cuda.driver;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// Device memory of another process, mapped here. The other process keeps it until this is closed.
///
/// Safe for any thread.
public final class IpcMemory implements AutoCloseable {
  private static final int LAZY_ENABLE_PEER_ACCESS = 1;

  private final Context context;
  private final Handle handle;

  private IpcMemory(Context context, Handle handle) {
    this.context = context;
    this.handle = handle;
  }

  /// Maps memory of another process; access between the two GPUs is enabled as needed.
  ///
  /// @param context that will use it
  /// @param ipcHandle from [DeviceMemory#export] of another process; a handle of this process
  ///   cannot be opened
  /// @return the mapping
  public static IpcMemory open(Context context, IpcHandle ipcHandle) {
    context.makeCurrent();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment bytes = arena.allocateFrom(JAVA_BYTE, ipcHandle.bytes());
      Scratch scratch = Scratch.get();
      int code = Driver.IPC_OPEN.call(scratch.address(), bytes, LAZY_ENABLE_PEER_ACCESS);
      Driver.IPC_OPEN.check(code);
      return new IpcMemory(context, new Handle(Owned.PEER_MEMORY, scratch.word(0)));
    }
  }

  /// {@return device address in this process}
  public long address() {
    return handle.value();
  }

  /// Unmaps it.
  @Override
  public void close() {
    if (handle.close()) {
      context.makeCurrent();
      Driver.checkRelease(Driver.IPC_CLOSE, Driver.IPC_CLOSE.call(handle.closedValue()));
    }
  }
}
