package io.crossdock.verify.harness;

import io.crossdock.core.group.ProcessGroup;
import java.util.Arrays;

/// What ranks decide together.
///
/// Safe for any thread.
public final class Together {
  private Together() {}

  /// {@return true on all ranks if it is true on one of them}; collective.
  ///
  /// @param group all who decide
  /// @param mine what this rank says
  public static boolean any(ProcessGroup group, boolean mine) {
    byte[][] all = group.allGather(new byte[] {(byte) (mine ? 1 : 0)});
    return Arrays.stream(all).anyMatch(theirs -> theirs[0] != 0);
  }
}
