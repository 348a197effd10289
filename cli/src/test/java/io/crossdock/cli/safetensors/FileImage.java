package io.crossdock.cli.safetensors;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/// Bytes of a safetensors file put together by hand, right or wrong.
final class FileImage {
  static final int LENGTH_BYTES = 8;

  private FileImage() {}

  static byte[] of(String header, int dataBytes) {
    return of(header.getBytes(StandardCharsets.UTF_8), new byte[dataBytes]);
  }

  static byte[] of(byte[] header, byte[] data) {
    return withLength(header.length, header, data);
  }

  static byte[] withLength(long headerBytes, byte[] header, byte[] data) {
    return ByteBuffer.allocate(LENGTH_BYTES + header.length + data.length)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putLong(headerBytes)
        .put(header)
        .put(data)
        .array();
  }

  static Path write(Path folder, byte[] image) {
    try {
      return Files.write(folder.resolve("image.safetensors"), image);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }
}
