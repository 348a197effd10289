package io.crossdock.cuda.driver;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.ref.Reference;

/// A kernel with the memory of its only parameter, a struct. Launching copies the struct and
/// allocates nothing, so it may be filled anew as soon as [#run] returns.
///
/// Confined to one thread at a time.
public final class Launch {
  private static final int ARGS_ALIGNMENT = 64;

  /// `CUlaunchConfig`: grid and block in three dimensions each, shared memory, stream, attributes.
  private static final int CONFIG_BYTES = 56;

  private static final int CONFIG_BLOCK = 12;
  private static final int CONFIG_SHARED = 24;
  private static final int CONFIG_STREAM = 32;
  private static final int CONFIG_ATTRIBUTES = 40;
  private static final int CONFIG_NUM_ATTRIBUTES = 48;

  /// `CUlaunchAttribute`: what it is, and its value at an offset.
  private static final int ATTRIBUTE_BYTES = 72;

  private static final int ATTRIBUTE_VALUE = 8;

  /// `CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION`
  private static final int EARLY_START = 6;

  private final KernelFunction function;
  private final MemorySegment args;
  private final MemorySegment params;
  private final MemorySegment config;

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
    this.config = allocator.allocate(CONFIG_BYTES + ATTRIBUTE_BYTES, Long.BYTES).fill((byte) 0);
    for (int dimension = 0; dimension < 6; dimension++) {
      config.setAtIndex(JAVA_INT, dimension, 1);
    }
    config.set(JAVA_LONG, CONFIG_ATTRIBUTES, config.address() + CONFIG_BYTES);
    config.set(JAVA_INT, CONFIG_NUM_ATTRIBUTES, 1);
    config.set(JAVA_INT, CONFIG_BYTES, EARLY_START);
    config.set(JAVA_INT, CONFIG_BYTES + ATTRIBUTE_VALUE, 1);
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
    check(Driver.LAUNCH, code, shape);
  }

  /// The same for a kernel that waits by itself for the one before it in the stream: it may be
  /// brought to the GPU while that one ends.
  ///
  /// @param stream of the kernel's context
  /// @param shape blocks and threads
  public void runEarly(Stream stream, LaunchShape shape) {
    function.context().makeCurrent();
    config.set(JAVA_INT, 0, shape.numBlocks());
    config.set(JAVA_INT, CONFIG_BLOCK, shape.numThreads());
    config.set(JAVA_INT, CONFIG_SHARED, shape.dynamicSharedBytes());
    config.set(JAVA_LONG, CONFIG_STREAM, stream.rawHandle());
    int code;
    try {
      code = Driver.LAUNCH_WITH.call(config.address(), function.rawHandle(), params.address(), 0L);
    } finally {
      Reference.reachabilityFence(this);
    }
    check(Driver.LAUNCH_WITH, code, shape);
  }

  private void check(Symbol launch, int code, LaunchShape shape) {
    if (code != 0) {
      throw Driver.failure(launch, code, "kernel=" + function.name() + ", " + shape);
    }
  }
}
