package io.crossdock.core;

import java.lang.foreign.SegmentAllocator;
import java.util.Objects;
import java.util.Optional;

/// Options of a combine.
///
/// Safe for any thread, as far as the allocator is.
///
/// @param call ordering against other work
/// @param config how the machine is used; empty takes the buffer's own
/// @param allocator where outputs are allocated; empty allocates garbage-collected native memory
public record CombineOptions(
    CallOptions call, Optional<CombineConfig> config, Optional<SegmentAllocator> allocator) {

  /// Checks that nothing is null.
  public CombineOptions {
    Objects.requireNonNull(call, "call");
    Objects.requireNonNull(config, "config");
    Objects.requireNonNull(allocator, "allocator");
  }

  /// Synchronous, garbage-collected outputs.
  public static final CombineOptions DEFAULT =
      new CombineOptions(CallOptions.DEFAULT, Optional.empty(), Optional.empty());

  /// {@return these options with another ordering}
  ///
  /// @param options see [CallOptions]
  public CombineOptions withCall(CallOptions options) {
    return new CombineOptions(options, config, allocator);
  }

  /// {@return these options with a config}
  ///
  /// @param use how the machine is used
  public CombineOptions withConfig(CombineConfig use) {
    return new CombineOptions(call, Optional.of(use), allocator);
  }

  /// {@return these options with an allocator for the outputs}
  ///
  /// @param where for example an arena
  public CombineOptions withAllocator(SegmentAllocator where) {
    return new CombineOptions(call, config, Optional.of(where));
  }
}
