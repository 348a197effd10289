package io.crossdock.host;

import io.crossdock.core.Device;
import io.crossdock.core.EngineMemory;
import io.crossdock.core.Tensor;
import io.crossdock.core.spi.HostCopy;
import java.lang.foreign.Arena;
import java.lang.foreign.SegmentAllocator;

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
    HostCopy.checkAlike(from, to);
    if (from.numElements() > 0) {
      new HostCopy(from, Memory.of(from), to, Memory.of(to)).run();
    }
  }
}
