package io.crossdock.cuda.driver;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.HexFormat;

/// Names device memory of one process to the others of the machine.
///
/// Safe for any thread.
public final class IpcHandle {
  /// Bytes of a handle.
  public static final int BYTES = 64;

  private final byte[] bytes;

  private IpcHandle(byte[] bytes) {
    this.bytes = bytes;
  }

  /// Takes a handle that another process sent.
  ///
  /// @param bytes as from [#bytes]
  /// @return the handle
  public static IpcHandle of(byte[] bytes) {
    if (bytes.length != BYTES) {
      throw new IllegalArgumentException(
          "not an IPC handle: byteSize=" + bytes.length + ", expected=" + BYTES);
    }
    return new IpcHandle(bytes.clone());
  }

  static IpcHandle copyOf(MemorySegment segment) {
    return new IpcHandle(segment.asSlice(0, BYTES).toArray(JAVA_BYTE));
  }

  /// {@return a copy of the bytes, for another process}
  public byte[] bytes() {
    return bytes.clone();
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof IpcHandle handle && Arrays.equals(bytes, handle.bytes);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(bytes);
  }

  @Override
  public String toString() {
    return HexFormat.of().formatHex(bytes);
  }
}
