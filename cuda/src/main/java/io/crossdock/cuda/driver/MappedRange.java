package io.crossdock.cuda.driver;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

/// A range of addresses where physical memory is mapped.
///
/// Safe for any thread.
final class MappedRange implements AutoCloseable {
  private final Context context;
  private final Handle handle;
  private final long byteSize;
  private volatile boolean mapped;

  private MappedRange(Context context, Handle handle, long byteSize) {
    this.context = context;
    this.handle = handle;
    this.byteSize = byteSize;
  }

  /// Maps all of the memory, for the GPU of its context.
  static MappedRange of(PhysicalMemory memory) {
    MappedRange range = reserve(memory.context(), memory.byteSize());
    try {
      range.map(memory);
      range.allow(memory.context().gpu());
      return range;
    } catch (RuntimeException e) {
      Closing.after(e, range);
      throw e;
    }
  }

  private static MappedRange reserve(Context context, long byteSize) {
    long granule = PhysicalMemory.granule(context, HandleType.NONE);
    Scratch scratch = Scratch.get();
    int code = Driver.ADDRESS_RESERVE.call(scratch.address(), byteSize, granule, 0L, 0L);
    if (code != 0) {
      throw Driver.failure(Driver.ADDRESS_RESERVE, code, "byteSize=" + byteSize);
    }
    long address = scratch.segment().get(JAVA_LONG, 0);
    return new MappedRange(context, new Handle(Owned.ADDRESS_RANGE, address), byteSize);
  }

  private void map(PhysicalMemory memory) {
    int code = Driver.MEMORY_MAP.call(address(), byteSize, 0L, memory.rawHandle(), 0L);
    Driver.MEMORY_MAP.check(code);
    mapped = true;
  }

  /// Lets a GPU read and write here, besides those that can. Enabling access between contexts does
  /// nothing for mapped memory.
  void allow(Gpu gpu) {
    context.makeCurrent();
    Scratch scratch = Scratch.get();
    long access = AllocationStructs.access(scratch.segment(), gpu.ordinal()).address();
    int code = Driver.MEMORY_SET_ACCESS.call(address(), byteSize, access, 1L);
    if (code != 0) {
      throw Driver.failure(Driver.MEMORY_SET_ACCESS, code, "gpu=" + gpu);
    }
  }

  long address() {
    return handle.value();
  }

  /// Unmaps the memory and gives the addresses back. Does not wait for the GPU.
  @Override
  public void close() {
    if (!handle.close()) {
      return;
    }
    context.makeCurrent();
    long address = handle.closedValue();
    try {
      if (mapped) {
        Driver.checkRelease(Driver.MEMORY_UNMAP, Driver.MEMORY_UNMAP.call(address, byteSize));
      }
    } catch (RuntimeException e) {
      Closing.after(e, () -> free(address));
      throw e;
    }
    free(address);
  }

  private void free(long address) {
    Driver.checkRelease(Driver.ADDRESS_FREE, Driver.ADDRESS_FREE.call(address, byteSize));
  }
}
