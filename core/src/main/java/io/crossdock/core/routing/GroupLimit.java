package io.crossdock.core.routing;

import io.crossdock.core.InvalidInputException;

/// Experts in groups of equal size, of which a token may use only some.
///
/// Safe for any thread.
///
/// @param numGroups groups; divides E
/// @param topkGroups groups a token may use
public record GroupLimit(int numGroups, int topkGroups) {

  /// Checks ranges.
  public GroupLimit {
    if (numGroups < 1 || topkGroups < 1 || topkGroups > numGroups) {
      throw new InvalidInputException(
          "group limit is invalid: numGroups=" + numGroups + ", topkGroups=" + topkGroups);
    }
  }
}
