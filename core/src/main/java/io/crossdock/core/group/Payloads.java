package io.crossdock.core.group;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// What frames carry: one contribution, or those of all ranks.
///
/// ```
/// COLLECT   phase 1, remaining milliseconds 4, contribution
/// RESULT    (length 4, contribution) for one or more ranks
/// ```
///
/// Safe for any thread.
final class Payloads {
  /// A frame of results takes no further contribution from this size on.
  private static final int FULL_BYTES = 1 << 20;

  private static final int COLLECT_HEADER_BYTES = 1 + Integer.BYTES;

  private Payloads() {}

  /// A contribution, with the collective and the bound it is for.
  record Collect(GroupPhase phase, Deadline bound, byte[] contribution) {}

  static byte[] collect(Collect collect) {
    return ByteBuffer.allocate(COLLECT_HEADER_BYTES + collect.contribution.length)
        .put((byte) collect.phase.ordinal())
        .putInt(collect.bound.remainingMillis())
        .put(collect.contribution)
        .array();
  }

  static Collect collect(byte[] payload) throws IOException {
    GroupPhase[] phases = GroupPhase.values();
    if (payload.length < COLLECT_HEADER_BYTES || payload[0] < 0 || payload[0] >= phases.length) {
      throw new IOException("contribution is malformed: bytes=" + payload.length);
    }
    int remainingMillis = ByteBuffer.wrap(payload).getInt(1);
    byte[] contribution = Arrays.copyOfRange(payload, COLLECT_HEADER_BYTES, payload.length);
    return new Collect(phases[payload[0]], Deadline.inMillis(remainingMillis), contribution);
  }

  /// {@return the payloads of the frames that together carry the contributions of all ranks}
  static List<byte[]> results(byte[][] contributions) {
    List<byte[]> payloads = new ArrayList<>();
    int first = 0;
    int numBytes = 0;
    for (int rank = 0; rank < contributions.length; rank++) {
      numBytes += Integer.BYTES + contributions[rank].length;
      boolean isLast = rank == contributions.length - 1;
      if (numBytes >= FULL_BYTES || isLast) {
        ByteBuffer payload = ByteBuffer.allocate(numBytes);
        for (byte[] contribution : Arrays.asList(contributions).subList(first, rank + 1)) {
          payload.putInt(contribution.length).put(contribution);
        }
        payloads.add(payload.array());
        first = rank + 1;
        numBytes = 0;
      }
    }
    return payloads;
  }

  /// Appends the contributions of one frame of [#results].
  static void split(byte[] payload, List<byte[]> contributions) throws IOException {
    ByteBuffer rest = ByteBuffer.wrap(payload);
    while (rest.hasRemaining()) {
      int length = rest.remaining() < Integer.BYTES ? -1 : rest.getInt();
      if (length < 0 || length > rest.remaining()) {
        throw new IOException("contributions are cut: rank=" + contributions.size());
      }
      byte[] contribution = new byte[length];
      rest.get(contribution);
      contributions.add(contribution);
    }
  }
}
