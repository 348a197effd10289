package io.crossdock.core.spi;

import java.util.List;

/// Whether something can run here, and why not.
///
/// Safe for any thread.
///
/// @param description what was found, one line
/// @param reasons why it cannot run; empty when it can
public record Availability(String description, List<String> reasons) {

  /// Copies the reasons.
  public Availability {
    reasons = List.copyOf(reasons);
  }

  /// {@return true if nothing stands against it}
  public boolean isAvailable() {
    return reasons.isEmpty();
  }
}
