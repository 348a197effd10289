package io.crossdock.cli;

import io.crossdock.core.CrossdockException;
import io.crossdock.core.DType;
import io.crossdock.core.Device;
import io.crossdock.core.DeviceAllocator;
import io.crossdock.core.EngineMemory;
import io.crossdock.core.Tensor;
import java.lang.foreign.MemorySegment;

/// Device memory that is handed out again and again, so that no iteration allocates.
///
/// Confined to one thread.
final class ReusedMemory implements DeviceAllocator {
  /// Four tensors, none of which is aligned to more than this.
  private static final long SLACK_BYTES = 4096;

  private final Device device;
  private final Tensor block;
  private long taken;

  /// @param memory where it lies
  /// @param byteSize of the tensors of a result
  ReusedMemory(EngineMemory memory, long byteSize) {
    this.device = memory.device();
    this.block = Tensor.allocate(memory.allocator(), DType.U8, byteSize + SLACK_BYTES);
  }

  /// Makes all of it free.
  void reset() {
    taken = 0;
  }

  @Override
  public Device device() {
    return device;
  }

  @Override
  public MemorySegment allocate(long byteSize, long byteAlignment) {
    long base = block.segment().address();
    long address = (base + taken + byteAlignment - 1) / byteAlignment * byteAlignment;
    long end = address + byteSize - base;
    if (end > block.size(0)) {
      throw new CrossdockException(
          "memory does not hold a result: neededBytes=" + end + ", bytes=" + block.size(0));
    }
    taken = end;
    return device.equals(Device.HOST)
        ? block.segment().asSlice(address - base, byteSize)
        : MemorySegment.ofAddress(address);
  }
}
