package io.crossdock.core;

import java.io.Serial;
import java.io.Serializable;

/// Something did not come in time: a peer's part of a call, or what a GPU was given to do. A call
/// that ends so aborts the buffer on every rank. Waits outside calls, for a layout, for an event or
/// while a buffer closes, leave the others alone.
///
/// Safe for any thread.
public final class WaitTimeoutException extends CrossdockException {
  @Serial private static final long serialVersionUID = 1L;
  private final Facts facts;

  /// What was waited for.
  ///
  /// @param rank who waited, or [#UNKNOWN]
  /// @param peer who did not arrive, or [#UNKNOWN] if no peer was waited for
  /// @param phase the step of the protocol, for example `ENTER`
  /// @param expected the epoch waited for, or what the phase counts
  /// @param seen the epoch seen last, or how far that count came
  /// @param waitedNanos how long
  public record Facts(int rank, int peer, String phase, long expected, long seen, long waitedNanos)
      implements Serializable {
    /// Stands for a rank that is not known.
    public static final int UNKNOWN = -1;

    /// Facts of a wait for no peer.
    ///
    /// @param rank who waited, or [#UNKNOWN]
    /// @param phase what was waited for
    /// @param expected what the phase counts
    /// @param seen how far that count came
    /// @param waitedNanos how long
    public Facts(int rank, String phase, long expected, long seen, long waitedNanos) {
      this(rank, UNKNOWN, phase, expected, seen, waitedNanos);
    }

    /// {@return the facts as messages have them, without ranks that are not known}
    @Override
    public String toString() {
      return named("rank", rank)
          + named("peer", peer)
          + "phase="
          + phase
          + ", expected="
          + expected
          + ", seen="
          + seen
          + ", waitedMs="
          + waitedNanos / 1_000_000;
    }

    private static String named(String key, int who) {
      return who == UNKNOWN ? "" : key + "=" + who + ", ";
    }
  }

  /// Creates the exception of a peer that did not arrive.
  ///
  /// @param facts what was waited for
  public WaitTimeoutException(Facts facts) {
    this("peer did not arrive", facts);
  }

  /// Creates the exception.
  ///
  /// @param what did not come
  /// @param facts what was waited for
  public WaitTimeoutException(String what, Facts facts) {
    super(what + ": " + facts);
    this.facts = facts;
  }

  /// {@return what was waited for}
  public Facts facts() {
    return facts;
  }
}
