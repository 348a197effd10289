package io.crossdock.cli;

import io.crossdock.core.Device;
import io.crossdock.core.EpBuffer;
import java.lang.foreign.Arena;

/// The yard-stick of a benchmark: how long a plain copy takes of as many bytes as a call moves, on
/// the memory that the engine works on.
///
/// Confined to one thread.
interface CopyLimit extends AutoCloseable {
  /// Copies on all ranks at once.
  ///
  /// @param bytes of this rank
  /// @param line where all ranks start
  /// @return microseconds from the start until this rank's copy was done
  double micros(long bytes, StartLine line);

  @Override
  void close();

  /// Makes the yard-stick of an engine.
  ///
  /// @param buffer of the engine
  /// @param arena of memory on the host
  /// @param maxBytes most that is ever copied at once
  /// @param numThreads that copy on the host
  static CopyLimit of(EpBuffer buffer, Arena arena, long maxBytes, int numThreads) {
    return buffer.memory().device().equals(Device.HOST)
        ? new CopyProbe(arena, maxBytes, numThreads)
        : new DeviceCopy(buffer, maxBytes);
  }
}
