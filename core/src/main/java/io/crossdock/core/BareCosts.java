package io.crossdock.core;

/// What the parts of a low-latency call cost in an engine when nothing else is done: the floor that
/// its calls are compared with. Each is the median of many runs, in nanoseconds.
///
/// Safe for any thread.
///
/// @param cast one BF16 row to FP8 with its scales, into the memory of a peer
/// @param rowCopy one FP8 row with its scales, from where a peer writes to where rows are packed
/// @param replyCopy one BF16 row into the memory of a peer
/// @param pingPong a flag to a peer and one back; 0 on ranks that took no part
public record BareCosts(double cast, double rowCopy, double replyCopy, double pingPong) {
  /// Times the kernels, copies and flags that low-latency calls of a buffer's engine are made of,
  /// each alone. Collective, between calls; all hooks must have run.
  ///
  /// @param buffer opened for low-latency mode
  /// @param rounds how often each is run, at least 1
  /// @return what they cost here
  /// @throws EngineUnavailableException if the engine cannot
  public static BareCosts measure(EpBuffer buffer, int rounds) {
    if (rounds < 1) {
      throw new InvalidInputException("bare costs need a round: rounds=" + rounds);
    }
    BareCosts[] costs = new BareCosts[1];
    buffer.claimed(() -> {
      buffer.group().barrier();
      costs[0] = buffer.session().lowLatency().bareCosts(rounds);
      buffer.group().barrier();
    });
    return costs[0];
  }

  /// {@return a cast, both row copies and three flag round trips}
  public double floorOfOneToken() {
    return cast + rowCopy + replyCopy + 3 * pingPong;
  }
}
