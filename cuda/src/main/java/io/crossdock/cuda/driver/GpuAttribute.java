package io.crossdock.cuda.driver;

/// What can be asked of a GPU, with the numbers of `CUdevice_attribute`.
///
/// Safe for any thread.
public enum GpuAttribute {
  /// Clock of the multiprocessors in kHz, at most.
  CLOCK_RATE(13),
  /// Streaming multiprocessors.
  MULTIPROCESSOR_COUNT(16),
  /// Clock of the memory in kHz, at most.
  MEMORY_CLOCK_RATE(36),
  /// Bytes of the level 2 cache.
  L2_CACHE_SIZE(38),
  /// First number of the compute capability.
  COMPUTE_CAPABILITY_MAJOR(75),
  /// Second number of the compute capability.
  COMPUTE_CAPABILITY_MINOR(76),
  /// Bytes of shared memory that a block can get when its kernel opts in.
  MAX_SHARED_MEMORY_PER_BLOCK_OPTIN(97),
  /// 1 if memory can have fabric handles, as far as GPU and driver are concerned.
  HANDLE_TYPE_FABRIC_SUPPORTED(128);

  private final int code;

  GpuAttribute(int code) {
    this.code = code;
  }

  int code() {
    return code;
  }
}
