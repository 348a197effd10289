package io.crossdock.cli;

import io.crossdock.core.Device;
import io.crossdock.core.DispatchInput;
import io.crossdock.core.EngineMemory;
import io.crossdock.core.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.SegmentAllocator;
import java.util.Arrays;
import java.util.Optional;

/// Brings what was made on the host to where an engine wants it.
///
/// Confined to the thread that uses the buffer.
final class EngineTensors {
  private final EngineMemory memory;

  EngineTensors(EngineMemory memory) {
    this.memory = memory;
  }

  /// {@return the arena, if the engine works on memory of the host, else an allocator of its
  /// device}
  SegmentAllocator allocator(Arena arena) {
    return memory.device().equals(Device.HOST) ? arena : memory.allocator();
  }

  DispatchInput input(DispatchInput host) {
    return new DispatchInput(
        memory.toDevice(host.x()),
        tensor(host.scales()),
        tensor(host.topkIdx()),
        tensor(host.topkWeights()));
  }

  Tensor[] tensors(Tensor... host) {
    return Arrays.stream(host).map(memory::toDevice).toArray(Tensor[]::new);
  }

  private Optional<Tensor> tensor(Optional<Tensor> host) {
    return host.map(memory::toDevice);
  }
}
