package io.crossdock.cuda.driver;

import java.lang.foreign.MemorySegment;

/// A `CUmemFabricHandle`: names memory that was created for it to all processes that may use the
/// same IMEX channel.
///
/// Safe for any thread.
public final class FabricHandle extends SharedHandle {
  private FabricHandle(byte[] bytes) {
    super(bytes);
  }

  /// Takes a handle that another process sent.
  ///
  /// @param bytes as from [#bytes]
  /// @return the handle
  public static FabricHandle of(byte[] bytes) {
    return new FabricHandle(bytes);
  }

  static FabricHandle copyOf(MemorySegment segment) {
    return new FabricHandle(read(segment));
  }
}
