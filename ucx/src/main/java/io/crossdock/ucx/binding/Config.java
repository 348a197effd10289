package io.crossdock.ucx.binding;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.crossdock.ffi.TextStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// Settings of UCX: its defaults, what the environment says, and what is set here.
///
/// Confined to one thread.
public final class Config implements AutoCloseable {
  private static final int PRINT_VALUES = 0x1;
  private static final String TCP = "TCP_";
  private static final int FIRST_MINOR_WITH_FULL_NAMES = 18;

  private long handle;

  private Config(long handle) {
    this.handle = handle;
  }

  /// Reads the settings of the environment: `UCX_KEY`, and `PREFIX_UCX_KEY` that goes before.
  ///
  /// @param prefix in front of the names of variables
  /// @return the settings
  public static Config read(String prefix) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(JAVA_LONG);
      long name = arena.allocateFrom(prefix).address();
      Ucp.check("ucp_config_read", Ucp.configRead(name, 0, out.address()));
      return new Config(out.get(JAVA_LONG, 0));
    }
  }

  /// Changes a setting. Before version 1.18 a setting of TCP may be known without `TCP_`, and is
  /// told under both names: one of them reaches the network, the other is nobody's.
  ///
  /// @param key without `UCX_`
  /// @param value as in the environment
  /// @return false if this version of UCX has no such setting
  public boolean set(String key, String value) {
    boolean isKnown = modify(key, value);
    if (key.startsWith(TCP) && Context.minorVersion() < FIRST_MINOR_WITH_FULL_NAMES) {
      isKnown |= modify(key.substring(TCP.length()), value);
    }
    return isKnown;
  }

  private boolean modify(String key, String value) {
    try (Arena arena = Arena.ofConfined()) {
      long name = arena.allocateFrom(key).address();
      long text = arena.allocateFrom(value).address();
      byte status = Ucp.configModify(handle, name, text);
      if (status == Ucp.NO_ELEMENT) {
        return false;
      }
      if (status != Ucp.OK) {
        throw new IllegalArgumentException(
            "setting of UCX is refused: key="
                + key
                + ", value="
                + value
                + ", text="
                + Ucp.statusText(status));
      }
      return true;
    }
  }

  /// {@return lines `UCX_KEY=value` with what is in effect, and lines `KEY=value` of what was set
  /// here for single networks}
  public String text() {
    return TextStream.collect(stream -> Ucp.configPrint(handle, stream, 0, PRINT_VALUES));
  }

  long handle() {
    return handle;
  }

  /// Gives the settings back. Idempotent.
  @Override
  public void close() {
    if (handle != 0) {
      Ucp.configRelease(handle);
      handle = 0;
    }
  }
}
