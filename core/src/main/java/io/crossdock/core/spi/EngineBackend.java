package io.crossdock.core.spi;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.Mode;
import io.crossdock.core.group.ProcessGroup;

/// Moves and sums rows on one kind of processor.
///
/// Safe for any thread.
public interface EngineBackend {
  /// {@return the name used on the command line}
  String name();

  /// {@return true if buffers of a mode can be opened}
  ///
  /// @param mode what a buffer is used for
  default boolean supports(Mode mode) {
    return mode == Mode.NORMAL;
  }

  /// Registers windows and exchanges them with the group. Collective.
  ///
  /// @param spec equal on all ranks
  /// @param group the ranks; stays open as long as the session
  /// @return the session of this rank
  EngineSession openSession(BufferSpec spec, ProcessGroup group);
}
