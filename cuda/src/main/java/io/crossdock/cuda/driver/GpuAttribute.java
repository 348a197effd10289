package io.crossdock.cuda.driver;

/// What can be asked of a GPU, with the numbers of `CUdevice_attribute`.
///
/// Safe for any thread.
public enum GpuAttribute {
  /// Threads of a block, at most.
  MAX_THREADS_PER_BLOCK(1),
  /// Clock of the multiprocessors in kHz, at most.
  CLOCK_RATE(13),
  /// Streaming multiprocessors.
  MULTIPROCESSOR_COUNT(16),
  /// Clock of the memory in kHz, at most.
  MEMORY_CLOCK_RATE(36),
  /// Width of the memory bus in bits.
  GLOBAL_MEMORY_BUS_WIDTH(37),
  /// Bytes of the level 2 cache.
  L2_CACHE_SIZE(38),
  /// 1 if host and devices share one address space.
  UNIFIED_ADDRESSING(41),
  /// First number of the compute capability.
  COMPUTE_CAPABILITY_MAJOR(75),
  /// Second number of the compute capability.
  COMPUTE_CAPABILITY_MINOR(76),
  /// Bytes of shared memory of a multiprocessor.
  MAX_SHARED_MEMORY_PER_MULTIPROCESSOR(81),
  /// Bytes of shared memory that a block can get when its kernel opts in.
  MAX_SHARED_MEMORY_PER_BLOCK_OPTIN(97),
  /// 1 if stream-ordered memory pools work.
  MEMORY_POOLS_SUPPORTED(115),
  /// 1 if memory can be shared over a multi-node NVLink fabric.
  HANDLE_TYPE_FABRIC_SUPPORTED(128),
  /// 1 if NVLink multicast objects work.
  MULTICAST_SUPPORTED(132);

  private final int code;

  GpuAttribute(int code) {
    this.code = code;
  }

  int code() {
    return code;
  }
}
