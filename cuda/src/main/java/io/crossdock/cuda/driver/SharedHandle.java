package io.crossdock.cuda.driver;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.HexFormat;

/// Names device memory of one process to others: bytes that only the driver understands.
///
/// Safe for any thread.
public abstract sealed class SharedHandle permits IpcHandle, FabricHandle {
  /// Bytes of a handle of any kind.
  public static final int BYTES = 64;

  private final byte[] bytes;

  SharedHandle(byte[] bytes) {
    if (bytes.length != BYTES) {
      throw new IllegalArgumentException(
          "not a handle of shared memory: byteSize=" + bytes.length + ", expected=" + BYTES);
    }
    this.bytes = bytes.clone();
  }

  /// The first bytes of what the driver wrote.
  static byte[] read(MemorySegment segment) {
    return segment.asSlice(0, BYTES).toArray(JAVA_BYTE);
  }

  /// {@return a copy of the bytes, for another process}
  public final byte[] bytes() {
    return bytes.clone();
  }

  @Override
  public final boolean equals(Object other) {
    return other instanceof SharedHandle handle
        && handle.getClass() == getClass()
        && Arrays.equals(bytes, handle.bytes);
  }

  @Override
  public final int hashCode() {
    return Arrays.hashCode(bytes);
  }

  @Override
  public final String toString() {
    return HexFormat.of().formatHex(bytes);
  }
}
