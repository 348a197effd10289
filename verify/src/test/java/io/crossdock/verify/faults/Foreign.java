package io.crossdock.verify.faults;

import io.crossdock.core.group.GroupOptions;
import io.crossdock.core.group.InProcessGroup;
import io.crossdock.core.group.ProcessGroup;

/// A buffer that has nothing to do with the one under test.
///
/// Safe for any thread.
final class Foreign {
  private Foreign() {}

  /// Opens a buffer of a group of one rank for the duration of a call.
  static void with(FaultRank.Call call) throws Exception {
    try (ProcessGroup group = InProcessGroup.create(1, GroupOptions.defaults()).getFirst();
        FaultRank other = FaultRank.open(group)) {
      call.make(other);
    }
  }
}
