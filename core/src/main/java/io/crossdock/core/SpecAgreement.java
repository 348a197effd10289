package io.crossdock.core;

import io.crossdock.core.group.ProcessGroup;
import java.nio.charset.StandardCharsets;
import java.util.Objects;

/// Whether all ranks open the same buffer.
///
/// Safe for any thread.
final class SpecAgreement {
  private SpecAgreement() {}

  /// Compares before anything else is checked: a rank with bad arguments must not leave the others
  /// waiting.
  static void check(Engine engine, BufferSpec spec, ProcessGroup group) {
    String mine = engine == null ? "no engine" : String.valueOf(spec);
    byte[][] all = group.allGather(mine.getBytes(StandardCharsets.UTF_8));
    Objects.requireNonNull(engine, "engine");
    Objects.requireNonNull(spec, "spec");
    for (int peer = 0; peer < all.length; peer++) {
      String theirs = new String(all[peer], StandardCharsets.UTF_8);
      if (!theirs.equals(mine)) {
        throw new InvalidInputException(
            "buffer specs differ between ranks: rank="
                + group.rank()
                + ", peer="
                + peer
                + ", spec="
                + spec
                + ", peerSpec="
                + theirs);
      }
    }
  }
}
