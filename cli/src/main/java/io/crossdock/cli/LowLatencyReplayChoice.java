package io.crossdock.cli;

import java.util.Map;
import picocli.CommandLine.Option;

/// The options of a replay that low-latency mode alone has.
///
/// Confined to one thread.
final class LowLatencyReplayChoice {
  @Option(names = "--hook", description = "Low-latency mode: receive in a hook.")
  private boolean hook;

  @Option(names = "--round-scale", description = "Low-latency mode, FP8: scales are powers of two.")
  private boolean roundScale;

  @Option(
      names = "--ue8m0",
      description = "Low-latency mode, FP8: packed UE8M0 scales; needs --round-scale.")
  private boolean ue8m0;

  @Option(
      names = "--logfmt",
      description = "Low-latency mode: combine in LogFMT-10; not with --zero-copy.")
  private boolean logfmt;

  LowLatencyReplayTask.Options options(boolean zeroCopy, int repeat) {
    return new LowLatencyReplayTask.Options(hook, zeroCopy, roundScale, ue8m0, logfmt, repeat);
  }

  /// Adds what was chosen to a summary.
  void describe(Map<String, Object> summary) {
    summary.put("hook", hook);
    summary.put("round_scale", roundScale);
    summary.put("ue8m0", ue8m0);
    summary.put("logfmt", logfmt);
  }
}
