package io.crossdock.cuda.driver;

import static java.lang.foreign.ValueLayout.ADDRESS;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.ref.Reference;

/// A kernel with the memory of its only parameter, a struct. Launching copies the struct and
/// allocates nothing, so it may be filled anew as soon as [#run] returns.
///
/// Confined to one thread at a time.
public final class Launch {
  private static final int ARGS_ALIGNMENT = 64;

  private final KernelFunction function;
  private final MemorySegment args;
  private final MemorySegment params;

  /// Prepares launches.
  ///
  /// @param allocator of the struct and of the pointer to it; must outlive this object
  /// @param function the kernel
  /// @param argsBytes bytes of the struct
  public Launch(SegmentAllocator allocator, KernelFunction function, long argsBytes) {
    this.function = function;
    this.args = allocator.allocate(argsBytes, ARGS_ALIGNMENT).fill((byte) 0);
    this.params = allocator.allocate(ADDRESS);
    params.set(ADDRESS, 0, args);
  }

  /// {@return the struct, zero at first}
  public MemorySegment args() {
    return args;
  }

  /// {@return the kernel}
  public KernelFunction function() {
    return function;
  }

  /// Enqueues the kernel with the struct as it is now.
  ///
  /// @param stream of the kernel's context
  /// @param shape blocks and threads
  public void run(Stream stream, LaunchShape shape) {
    function.context().makeCurrent();
    int code;
    try {
      code =
          Driver.LAUNCH.launch(function.rawHandle(), shape, stream.rawHandle(), params.address());
    } finally {
      Reference.reachabilityFence(this);
    }
    if (code != 0) {
      throw Driver.failure(Driver.LAUNCH, code, "kernel=" + function.name() + ", " + shape);
    }
  }
}
