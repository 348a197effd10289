package io.crossdock.ffi;

import java.io.Serial;

/// A native call answered with an error: which library and symbol, the code, and the library's own
/// text.
///
/// Safe for any thread.
public final class NativeCallException extends RuntimeException {
  @Serial private static final long serialVersionUID = 1L;
  private final String symbol;
  private final int code;

  /// Creates the exception.
  ///
  /// @param library soname or a short name, for example `libc`
  /// @param symbol function called
  /// @param code what it answered, or errno
  /// @param text the library's words for the code
  public NativeCallException(String library, String symbol, int code, String text) {
    super(
        "native call failed: library="
            + library
            + ", symbol="
            + symbol
            + ", code="
            + code
            + ", text="
            + text);
    this.symbol = symbol;
    this.code = code;
  }

  /// {@return the function called}
  public String symbol() {
    return symbol;
  }

  /// {@return the error code}
  public int code() {
    return code;
  }
}
