package io.crossdock.host;

import io.crossdock.core.group.ProcessGroup;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/// Steps that the ranks of a group take together: if one fails, all hear of it and fail. So nobody
/// waits for a rank that gave up, whatever happened to it: errors of the virtual machine, such as
/// memory or threads that are not to be had, are told like exceptions.
///
/// Confined to one thread at a time.
final class JointSteps {
  /// Of a step that is taken for its effect alone.
  static final byte[] NOTHING = {};

  private static final byte GOOD = 0;
  private static final byte BAD = 1;

  private final ProcessGroup group;
  private final Telling telling;

  /// What one rank does in a step.
  interface Step {
    /// {@return what the other ranks are given}
    byte[] run();
  }

  /// Makes the exceptions of a step that failed.
  interface Telling {
    /// {@return what a rank throws}
    ///
    /// @param peer the rank that failed
    /// @param reason its failure in words
    /// @param cause its failure, on that rank itself; null on all others
    RuntimeException failure(int peer, String reason, Throwable cause);
  }

  JointSteps(ProcessGroup group, Telling telling) {
    this.group = group;
    this.telling = telling;
  }

  /// Takes a step. Collective.
  ///
  /// @return what the ranks give, by rank
  byte[][] take(Step step) {
    byte[] mine;
    RuntimeException failure = null;
    try {
      mine = tagged(GOOD, step.run());
    } catch (RuntimeException | Error e) {
      String reason = reason(e);
      failure = telling.failure(group.rank(), reason, e);
      mine = tagged(BAD, reason.getBytes(StandardCharsets.UTF_8));
    }
    byte[][] all = group.allGather(mine);
    if (failure != null) {
      throw failure;
    }
    for (int peer = 0; peer < all.length; peer++) {
      ByteBuffer theirs = ByteBuffer.wrap(all[peer]);
      byte tag = theirs.get();
      byte[] rest = new byte[theirs.remaining()];
      theirs.get(rest);
      if (tag != GOOD) {
        throw telling.failure(peer, new String(rest, StandardCharsets.UTF_8), null);
      }
      all[peer] = rest;
    }
    return all;
  }

  /// The message of an error means little without its type.
  private static String reason(Throwable failure) {
    String message = failure.getMessage();
    return message == null || failure instanceof Error ? failure.toString() : message;
  }

  private static byte[] tagged(byte tag, byte[] bytes) {
    return ByteBuffer.allocate(1 + bytes.length).put(tag).put(bytes).array();
  }
}
