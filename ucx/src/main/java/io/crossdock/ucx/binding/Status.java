package io.crossdock.ucx.binding;

/// What operations answer.
///
/// Safe for any thread.
public final class Status {
  /// Ended well.
  public static final byte OK = Ucp.OK;

  /// Not ended yet.
  public static final byte IN_PROGRESS = Ucp.IN_PROGRESS;

  private Status() {}

  /// {@return the words of UCX}
  ///
  /// @param status of an operation
  public static String text(byte status) {
    return Ucp.statusText(status);
  }
}
