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
  COMBINE_SEND_LATE
}
