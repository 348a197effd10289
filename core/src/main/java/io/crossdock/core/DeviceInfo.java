package io.crossdock.core;

import java.util.Objects;

/// A device that an engine moves rows on.
///
/// Safe for any thread.
///
/// @param device which
/// @param name as its maker calls it
/// @param numSms multiprocessors that calls share; cores on the host
/// @param memoryBytes all of its memory
/// @param cacheBytes of its last-level cache; 0 if unknown
/// @param facts one line that a report needs to be repeated: name, clocks, driver
public record DeviceInfo(
    Device device, String name, int numSms, long memoryBytes, long cacheBytes, String facts) {

  /// Checks that nothing is missing.
  public DeviceInfo {
    Objects.requireNonNull(device, "device");
    Objects.requireNonNull(name, "name");
    Objects.requireNonNull(facts, "facts");
  }
}
