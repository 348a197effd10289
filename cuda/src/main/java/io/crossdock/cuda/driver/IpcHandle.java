package io.crossdock.cuda.driver;

import java.lang.foreign.MemorySegment;

/// A `CUipcMemHandle`: names plain device memory to the other processes of the machine.
///
/// Safe for any thread.
public final class IpcHandle extends SharedHandle {
  private IpcHandle(byte[] bytes) {
    super(bytes);
  }

  /// Takes a handle that another process sent.
  ///
  /// @param bytes as from [#bytes]
  /// @return the handle
  public static IpcHandle of(byte[] bytes) {
    return new IpcHandle(bytes);
  }

  static IpcHandle copyOf(MemorySegment segment) {
    return new IpcHandle(read(segment));
  }
}
