package io.crossdock.core.spi;

import java.lang.foreign.MemorySegment;
import java.util.List;

/// Found with [java.util.ServiceLoader]; says whether its transport between nodes can run here and
/// opens it.
///
/// Safe for any thread.
public interface TransportProvider {
  /// {@return the name, for example `ucx`}
  String name();

  /// {@return which transport is taken when nobody names one: the highest available}
  int priority();

  /// {@return whether the transport can run here; never throws}
  Availability probe();

  /// {@return more about the transport, its devices and the settings in effect for each mode, a
  /// line each, also if it cannot run; never throws}
  default List<String> details() {
    return List.of();
  }

  /// Opens one rank's side.
  ///
  /// @param settings who the rank is and what it sends
  /// @param region memory of this rank that peers may write to; lives longer than the transport
  /// @return the transport, connected to nobody
  Transport open(TransportSettings settings, MemorySegment region);
}
