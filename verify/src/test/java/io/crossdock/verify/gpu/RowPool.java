package io.crossdock.verify.gpu;

import io.crossdock.core.DType;
import io.crossdock.core.Device;
import io.crossdock.core.EngineMemory;
import io.crossdock.core.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;

/// Rows on the host and the same rows on the engine's device, made once; calls send some of them.
///
/// Safe for any thread.
///
/// @param host on the host
/// @param device on the device
record RowPool(Tensor host, Tensor device) {

  /// Makes rows of random bytes.
  static RowPool random(
      EngineMemory memory, DType dtype, int rows, int columns, SplittableRandom random) {
    byte[] bytes = new byte[Math.multiplyExact(rows * dtype.bytes(), columns)];
    random.nextBytes(bytes);
    Tensor host = Tensor.allocate(Arena.ofAuto(), dtype, rows, columns);
    MemorySegment.copy(MemorySegment.ofArray(bytes), 0, host.segment(), 0, bytes.length);
    return new RowPool(host, memory.toDevice(host));
  }

  long rowBytes() {
    return host.rowBytes();
  }

  MemorySegment hostRows(int first, int count) {
    return host.segment().asSlice(first * rowBytes(), count * rowBytes());
  }

  Tensor rows(int first, int count) {
    return rows(device, first, count);
  }

  /// {@return some rows of a tensor without gaps, which must be kept meanwhile}
  static Tensor rows(Tensor tensor, long first, long count) {
    long offset = first * tensor.rowBytes();
    if (tensor.device().equals(Device.HOST)) {
      MemorySegment slice = tensor.segment().asSlice(offset, count * tensor.rowBytes());
      return Tensor.of(slice, tensor.dtype(), count, tensor.size(1));
    }
    long address = tensor.segment().address() + offset;
    return Tensor.ofAddress(tensor.device(), address, tensor.dtype(), count, tensor.size(1));
  }
}
