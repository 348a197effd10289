package io.crossdock.cli;

/// What a benchmark of low-latency mode times.
///
/// Safe for any thread.
enum LowLatencyPhase {
  /// From the common start until rows are packed.
  DISPATCH,
  /// The send half of a dispatch, from its call on.
  DISPATCH_SEND,
  /// The receive half of a dispatch.
  DISPATCH_RECEIVE,
  /// From the common start until the sums are home.
  COMBINE,
  /// The send half of a combine.
  COMBINE_SEND,
  /// The receive half of a combine.
  COMBINE_RECEIVE,
  /// Plain copy of as many bytes as a dispatch sends.
  COPY_DISPATCH,
  /// Plain copy of as many bytes as a combine sends.
  COPY_COMBINE,
  /// The send half of a dispatch that one rank enters late.
  DISPATCH_SEND_LATE,
  /// The send half of a combine that one rank enters late.
  COMBINE_SEND_LATE,
  /// A dispatch and its combine, where both are replayed together.
  PAIR,
  /// A dispatch that the host calls, where [#DISPATCH] is replayed.
  DISPATCH_EAGER,
  /// A combine that the host calls, where [#COMBINE] is replayed.
  COMBINE_EAGER,
  /// What the host needs to call a dispatch and its combine.
  LAUNCH_PAIR,
  /// What the host needs to replay a graph of both.
  LAUNCH_GRAPH,
  /// Nothing, timed in a graph as the halves are: what of their times is the clock's.
  NOTHING,
  /// Work that fills the GPU, alone.
  WORK_ALONE,
  /// The same between the halves of a dispatch.
  WORK_BETWEEN_HALVES,
  /// The same while the other ranks' receive halves wait.
  WORK_BESIDE_WAITS
}
