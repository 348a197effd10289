package io.crossdock.verify.guard;

import io.crossdock.core.DType;
import io.crossdock.core.Tensor;
import io.crossdock.ffi.GuardedMemory;
import io.crossdock.ffi.GuardedMemory.Edge;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.util.ArrayList;
import java.util.List;

/// Tensors that each abut a guard page: whoever reads or writes a byte beyond one ends this JVM.
final class GuardedTensors implements SegmentAllocator, AutoCloseable {
  private static final int PAD_ELEMENTS = 5;

  private final Edge edge;
  private final GuardCase.Memory memory;
  private final List<GuardedMemory> owned = new ArrayList<>();

  GuardedTensors(Edge edge, GuardCase.Memory memory) {
    this.edge = edge;
    this.memory = memory;
  }

  /// Alignment would leave room between the tensor and the guard.
  @Override
  public MemorySegment allocate(long byteSize, long byteAlignment) {
    GuardedMemory guarded = GuardedMemory.allocate(byteSize, edge);
    owned.add(guarded);
    return guarded.segment();
  }

  /// {@return a zeroed tensor}
  Tensor tensor(DType dtype, long rows, long columns) {
    long pitch = memory == GuardCase.Memory.STRIDED ? columns + PAD_ELEMENTS : columns;
    long elements = rows == 0 ? 0 : (rows - 1) * pitch + columns;
    MemorySegment segment = allocate(elements * dtype.bytes(), dtype.bytes());
    return memory == GuardCase.Memory.ADDRESS
        ? Tensor.ofAddress(segment.address(), dtype, rows, columns)
        : Tensor.strided(segment, dtype, new long[] {rows, columns}, new long[] {pitch, 1});
  }

  /// {@return a tensor that holds rows given without gaps}
  Tensor tensor(DType dtype, long rows, long columns, MemorySegment bytes) {
    Tensor tensor = tensor(dtype, rows, columns);
    MemorySegment target = owned.getLast().segment();
    for (long row = 0; row < rows; row++) {
      MemorySegment.copy(
          bytes, row * tensor.rowBytes(), target, row * tensor.pitchBytes(), tensor.rowBytes());
    }
    return tensor;
  }

  /// {@return the first rows of a tensor of this or of a window, without gaps}
  MemorySegment packed(Tensor tensor, long rows) {
    MemorySegment source = resolve(tensor);
    long bytes = tensor.rowBytes();
    MemorySegment packed = MemorySegment.ofArray(new byte[Math.toIntExact(rows * bytes)]);
    for (long row = 0; row < rows; row++) {
      MemorySegment.copy(source, row * tensor.pitchBytes(), packed, row * bytes, bytes);
    }
    return packed;
  }

  private MemorySegment resolve(Tensor tensor) {
    for (GuardedMemory guarded : owned) {
      if (tensor.isAddressOnly() && guarded.segment().address() == tensor.segment().address()) {
        return guarded.segment();
      }
    }
    return tensor.segment();
  }

  @Override
  public void close() {
    owned.forEach(GuardedMemory::close);
  }
}
