package io.crossdock.core;

import java.util.List;

/// Whether an engine can run here, and why not.
///
/// Safe for any thread.
///
/// @param name used on the command line
/// @param description what was found, one line
/// @param reasons why it cannot run; empty when it can
public record EngineInfo(String name, String description, List<String> reasons) {

  /// Copies the reasons.
  public EngineInfo {
    reasons = List.copyOf(reasons);
  }

  /// {@return true if the engine can run here}
  public boolean isAvailable() {
    return reasons.isEmpty();
  }
}
