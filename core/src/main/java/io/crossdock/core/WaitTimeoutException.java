package io.crossdock.core;

import java.io.Serial;
import java.io.Serializable;

/// A peer did not do its part within the buffer's timeout. The buffer is aborted on every rank.
///
/// Safe for any thread.
public final class WaitTimeoutException extends CrossdockException {
  @Serial private static final long serialVersionUID = 1L;
  private final Facts facts;

  /// What was waited for.
  ///
  /// @param rank who waited
  /// @param peer who did not arrive
  /// @param phase the step of the protocol, for example `ENTER`
  /// @param expected the epoch waited for
  /// @param seen the epoch seen last
  /// @param waitedNanos how long
  public record Facts(int rank, int peer, String phase, long expected, long seen, long waitedNanos)
      implements Serializable {}

  /// Creates the exception.
  ///
  /// @param facts what was waited for
  public WaitTimeoutException(Facts facts) {
    super(
        "peer did not arrive: rank="
            + facts.rank
            + ", peer="
            + facts.peer
            + ", phase="
            + facts.phase
            + ", expected="
            + facts.expected
            + ", seen="
            + facts.seen
            + ", waitedMs="
            + facts.waitedNanos / 1_000_000);
    this.facts = facts;
  }

  /// {@return what was waited for}
  public Facts facts() {
    return facts;
  }
}
