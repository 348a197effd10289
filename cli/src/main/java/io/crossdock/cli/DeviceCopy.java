package io.crossdock.cli;

import io.crossdock.core.DType;
import io.crossdock.core.EngineMemory;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.Tensor;

/// A copy on a device, by the engine's own copy.
///
/// Confined to one thread.
final class DeviceCopy implements CopyLimit {
  private final EngineMemory memory;
  private final PhaseClock clock;
  private final Tensor from;
  private final Tensor to;

  DeviceCopy(EpBuffer buffer, long maxBytes) {
    this.memory = buffer.memory();
    this.clock = new PhaseClock(buffer);
    this.from = Tensor.allocate(memory.allocator(), DType.U8, Math.max(1, maxBytes));
    this.to = Tensor.allocate(memory.allocator(), DType.U8, Math.max(1, maxBytes));
  }

  @Override
  public double micros(long bytes, StartLine line) {
    Tensor source = from.firstRows(bytes);
    Tensor target = to.firstRows(bytes);
    clock.start(line);
    memory.copy(source, target);
    return clock.stop();
  }

  @Override
  public void close() {
    clock.close();
  }
}
