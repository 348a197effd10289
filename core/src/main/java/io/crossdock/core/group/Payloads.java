package io.crossdock.core.group;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;

/// What frames carry: a contribution with its phase, or all contributions.
///
/// Safe for any thread.
final class Payloads {
  private Payloads() {}

  static byte[] contribution(GroupPhase phase, byte[] bytes) {
    byte[] payload = new byte[bytes.length + 1];
    payload[0] = (byte) phase.ordinal();
    System.arraycopy(bytes, 0, payload, 1, bytes.length);
    return payload;
  }

  static GroupPhase phase(byte[] payload) throws IOException {
    if (payload.length == 0 || payload[0] < 0 || payload[0] >= GroupPhase.values().length) {
      throw new IOException("contribution has no phase: bytes=" + payload.length);
    }
    return GroupPhase.values()[payload[0]];
  }

  static byte[] all(byte[][] contributions) {
    var bytes = new ByteArrayOutputStream();
    try (var out = new DataOutputStream(bytes)) {
      for (byte[] contribution : contributions) {
        out.writeInt(contribution.length);
        out.write(contribution);
      }
    } catch (IOException e) {
      throw new UncheckedIOException("a byte array stream does not fail", e);
    }
    return bytes.toByteArray();
  }

  static byte[][] split(byte[] payload, int size) throws IOException {
    byte[][] contributions = new byte[size][];
    try (var in = new DataInputStream(new ByteArrayInputStream(payload))) {
      for (int rank = 0; rank < size; rank++) {
        int length = in.readInt();
        if (length < 0 || length > in.available()) {
          throw new IOException("contributions are cut: rank=" + rank + ", bytes=" + length);
        }
        contributions[rank] = in.readNBytes(length);
      }
    }
    return contributions;
  }
}
