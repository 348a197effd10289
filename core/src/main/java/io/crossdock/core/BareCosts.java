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
  /// {@return a cast, both row copies and three flag round trips}
  public double floorOfOneToken() {
    return cast + rowCopy + replyCopy + 3 * pingPong;
  }
}
