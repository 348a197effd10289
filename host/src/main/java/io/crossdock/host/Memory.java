package io.crossdock.host;

import io.crossdock.core.Tensor;
import io.crossdock.ffi.RawMemory;
import java.lang.foreign.MemorySegment;

/// Resolves tensors to memory: a segment as it is, a raw address through `ffi`.
///
/// Safe for any thread.
final class Memory {
  private Memory() {}

  static MemorySegment of(Tensor tensor) {
    if (tensor.isAddressOnly()) {
      return RawMemory.view(tensor.segment().address(), tensor.spanBytes());
    }
    return tensor.segment();
  }
}
