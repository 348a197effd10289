package io.crossdock.core.group;

import java.io.Serial;

/// A rank ended the group with [ProcessGroup#abort].
///
/// Safe for any thread.
public final class GroupAbortedException extends GroupException {
  @Serial private static final long serialVersionUID = 1L;

  private final int peer;
  private final String reason;

  /// Creates the exception.
  ///
  /// @param message what failed, then `key=value` facts
  /// @param peer the rank that aborted
  /// @param reason the reason it gave
  public GroupAbortedException(String message, int peer, String reason) {
    super(message);
    this.peer = peer;
    this.reason = reason;
  }

  /// The rank that aborted.
  ///
  /// @return the rank
  public int peer() {
    return peer;
  }

  /// The reason that rank gave.
  ///
  /// @return the reason
  public String reason() {
    return reason;
  }
}
