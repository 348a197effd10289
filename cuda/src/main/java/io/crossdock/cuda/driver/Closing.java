package io.crossdock.cuda.driver;

/// Gives up what was made when a later step failed.
///
/// Safe for any thread.
public final class Closing {
  private Closing() {}

  /// Closes what is of no use any more. The failure stays what is thrown; one of closing is
  /// suppressed by it.
  ///
  /// @param failure why
  /// @param resource what was made before
  public static void after(Throwable failure, AutoCloseable resource) {
    try {
      resource.close();
    } catch (Exception e) {
      failure.addSuppressed(e);
    }
  }
}
