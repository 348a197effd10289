package io.crossdock.host;

import io.crossdock.core.Device;
import io.crossdock.core.EngineMemory;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.util.Arrays;

/// The memory of the host engine: that of the machine, so nothing needs to be brought anywhere.
///
/// Safe for any thread.
final class HostMemory implements EngineMemory {
  static final HostMemory INSTANCE = new HostMemory();

  /// Each tensor has its own arena: none keeps the memory of another alive.
  private static final SegmentAllocator COLLECTED =
      (bytes, alignment) -> Arena.ofAuto().allocate(bytes, alignment);

  private HostMemory() {}

  @Override
  public Device device() {
    return Device.HOST;
  }

  @Override
  public SegmentAllocator allocator() {
    return COLLECTED;
  }

  @Override
  public Tensor toDevice(Tensor host) {
    host.checkDevice(Device.HOST, "tensor");
    return host;
  }

  @Override
  public Tensor toHost(Tensor tensor) {
    tensor.checkDevice(Device.HOST, "tensor");
    return tensor;
  }

  @Override
  public void copy(Tensor from, Tensor to) {
    from.checkDevice(Device.HOST, "from");
    to.checkDevice(Device.HOST, "to");
    if (from.dtype() != to.dtype() || !Arrays.equals(from.shape(), to.shape())) {
      throw new InvalidInputException("tensors differ: from=" + from + ", to=" + to);
    }
    if (from.numElements() > 0) {
      new Copy(from, Memory.of(from), to, Memory.of(to)).run(0, 0, 0);
    }
  }

  /// A copy of all elements, row by row.
  private record Copy(Tensor from, MemorySegment source, Tensor to, MemorySegment target) {
    void run(int dimension, long fromElement, long toElement) {
      int last = from.numDims() - 1;
      long bytes = from.dtype().bytes();
      if (dimension == last) {
        MemorySegment.copy(
            source, fromElement * bytes, target, toElement * bytes, from.size(last) * bytes);
        return;
      }
      for (long i = 0; i < from.size(dimension); i++) {
        long fromNext = fromElement + i * from.stride(dimension);
        run(dimension + 1, fromNext, toElement + i * to.stride(dimension));
      }
    }
  }
}
