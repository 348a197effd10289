package io.crossdock.core;

import java.lang.foreign.SegmentAllocator;
import java.util.Objects;

/// Where the rows of a dispatch end up.
///
/// Safe for any thread, as far as the allocator is.
public sealed interface Placement {

  /// A view of the receive window, leased until the result is closed. The default: no copy.
  Placement BORROWED = new Borrowed();

  /// A copy in memory of the caller.
  ///
  /// @param allocator where outputs are allocated, for example an arena or
  ///   `SegmentAllocator.prefixAllocator(segment)`
  /// @return the placement
  static Placement owned(SegmentAllocator allocator) {
    return new Owned(allocator);
  }

  /// See [#BORROWED].
  ///
  /// Safe for any thread.
  record Borrowed() implements Placement {}

  /// See [#owned].
  ///
  /// Safe for any thread, as far as the allocator is.
  ///
  /// @param allocator where outputs are allocated
  record Owned(SegmentAllocator allocator) implements Placement {
    /// Checks that there is an allocator.
    public Owned {
      Objects.requireNonNull(allocator, "allocator");
    }
  }
}
