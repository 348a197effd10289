package io.crossdock.core.protocol;

/// What a rank does next, in low-latency mode.
sealed interface LowLatencyOp {
  /// The first half of a call.
  record Send(LowLatencyCall call) implements LowLatencyOp {}

  /// The second half, at once or in a hook.
  record Receive(LowLatencyCall call) implements LowLatencyOp {}

  /// A call that finds no free slots, as two hooks are pending.
  record FindNoSlots() implements LowLatencyOp {}

  /// Masks a rank by hand.
  record Mask(int peer) implements LowLatencyOp {}

  /// Brings all masked ranks back.
  ///
  /// @param mayLeaveOut true if ranks that wait may give up
  record Return(boolean mayLeaveOut) implements LowLatencyOp {}
}
