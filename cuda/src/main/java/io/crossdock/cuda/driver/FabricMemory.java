package io.crossdock.cuda.driver;

/// Memory of a GPU that has a [FabricHandle], or such memory of another process, mapped here.
/// Aligned to the pages of the GPU, rounded up to whole ones, and not zeroed.
///
/// Safe for any thread.
public final class FabricMemory implements ShareableMemory {
  private final PhysicalMemory physical;
  private final MappedRange range;

  private FabricMemory(PhysicalMemory physical, MappedRange range) {
    this.physical = physical;
    this.range = range;
  }

  /// Allocates. Where [FabricProbe] finds that fabric handles are missing, the driver refuses.
  ///
  /// @param context where
  /// @param byteSize bytes, at least 1
  /// @return the memory
  public static FabricMemory allocate(Context context, long byteSize) {
    return map(PhysicalMemory.create(context, byteSize, HandleType.FABRIC));
  }

  /// Maps memory of another process, or of this one once more.
  ///
  /// @param context that will use it
  /// @param handle from [#export]
  /// @param byteSize that the memory has there: [#byteSize]
  /// @return the mapping; the memory lives at least as long
  public static FabricMemory open(Context context, FabricHandle handle, long byteSize) {
    return map(PhysicalMemory.open(context, handle, byteSize));
  }

  /// Maps memory and owns it from now on.
  static FabricMemory map(PhysicalMemory physical) {
    try {
      return new FabricMemory(physical, MappedRange.of(physical));
    } catch (RuntimeException e) {
      Closing.after(e, physical);
      throw e;
    }
  }

  @Override
  public long address() {
    return range.address();
  }

  @Override
  public long byteSize() {
    return physical.byteSize();
  }

  @Override
  public FabricHandle export() {
    return physical.export();
  }

  /// Lets another GPU of this process read and write the memory at the same address; enabling
  /// access between contexts is not enough.
  ///
  /// @param gpu that can reach the memory's GPU
  public void allow(Gpu gpu) {
    range.allow(gpu);
  }

  /// Unmaps the memory; it is freed when nobody maps it any more. Unlike the end of [DeviceMemory]
  /// this waits for no work: none may use the memory any more.
  @Override
  public void close() {
    try (PhysicalMemory _ = physical) {
      range.close();
    }
  }
}
