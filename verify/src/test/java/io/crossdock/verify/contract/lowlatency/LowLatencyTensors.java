package io.crossdock.verify.contract.lowlatency;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import io.crossdock.core.DType;
import io.crossdock.core.EngineMemory;
import io.crossdock.core.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// Makes the tensors of a case on the host, in its style, and hands them out on the engine's
/// device; reads them back.
///
/// Confined to the thread that uses the buffer.
final class LowLatencyTensors {
  private static final int PAD_ELEMENTS = 8;
  private static final byte GARBAGE = 0x7f;

  private final LowLatencyCase.Style style;
  private final Arena arena;
  private final EngineMemory memory;

  LowLatencyTensors(LowLatencyCase.Style style, Arena arena, EngineMemory memory) {
    this.style = style;
    this.arena = arena;
    this.memory = memory;
  }

  EngineMemory memory() {
    return memory;
  }

  /// {@return rows in memory of the host, in the case's style, whose gaps hold garbage}
  Tensor onHost(DType dtype, int columns, MemorySegment bytes) {
    long rowBytes = (long) columns * dtype.bytes();
    long rows = bytes.byteSize() / rowBytes;
    Tensor tensor = allocate(dtype, rows, columns);
    for (long row = 0; row < rows; row++) {
      MemorySegment.copy(
          bytes,
          JAVA_BYTE,
          row * rowBytes,
          tensor.segment(),
          JAVA_BYTE,
          row * tensor.pitchBytes(),
          rowBytes);
    }
    return tensor;
  }

  private Tensor allocate(DType dtype, long rows, int columns) {
    long pitch = style.strided() ? columns + PAD_ELEMENTS : columns;
    MemorySegment bytes = arena.allocate(Math.max(1, rows * pitch * dtype.bytes()), 64);
    bytes.fill(GARBAGE);
    return Tensor.strided(bytes, dtype, new long[] {rows, columns}, new long[] {pitch, 1});
  }

  /// {@return rows of garbage on the device, in the case's style}
  Tensor garbage(DType dtype, long rows, int columns) {
    return memory.toDevice(allocate(dtype, rows, columns));
  }

  /// {@return a tensor without gaps on the device, of garbage}
  Tensor garbage(DType dtype, long... shape) {
    Tensor tensor = Tensor.allocate(arena, dtype, shape);
    tensor.segment().fill(GARBAGE);
    return memory.toDevice(tensor);
  }

  /// {@return global expert ids, [tokens, K]}
  Tensor ids(long[] ids, int topk) {
    if (style.wideIds()) {
      return memory.toDevice(onHost(DType.I64, topk, MemorySegment.ofArray(ids)));
    }
    int[] narrow = new int[ids.length];
    for (int i = 0; i < ids.length; i++) {
      narrow[i] = (int) ids[i];
    }
    return memory.toDevice(onHost(DType.I32, topk, MemorySegment.ofArray(narrow)));
  }

  /// {@return weights, [tokens, K]}
  Tensor weights(float[] weights, int topk) {
    return memory.toDevice(onHost(DType.F32, topk, MemorySegment.ofArray(weights)));
  }

  /// {@return I32 values in one dimension}
  Tensor ints(int... values) {
    Tensor tensor = Tensor.allocate(arena, DType.I32, values.length);
    for (int i = 0; i < values.length; i++) {
      tensor.segment().set(JAVA_INT_UNALIGNED, i * 4L, values[i]);
    }
    return memory.toDevice(tensor);
  }

  /// {@return I64 values in one dimension}
  Tensor longs(long... values) {
    Tensor tensor = Tensor.allocate(arena, DType.I64, values.length);
    for (int i = 0; i < values.length; i++) {
      tensor.segment().set(JAVA_LONG_UNALIGNED, i * 8L, values[i]);
    }
    return memory.toDevice(tensor);
  }

  /// {@return an I32 tensor without gaps, flat}
  int[] ints(Tensor tensor) {
    MemorySegment host = memory.toHost(tensor).segment();
    int[] values = new int[Math.toIntExact(tensor.numElements())];
    for (int i = 0; i < values.length; i++) {
      values[i] = host.get(JAVA_INT_UNALIGNED, i * 4L);
    }
    return values;
  }

  /// {@return an I64 tensor without gaps, flat}
  long[] longs(Tensor tensor) {
    MemorySegment host = memory.toHost(tensor).segment();
    long[] values = new long[Math.toIntExact(tensor.numElements())];
    for (int i = 0; i < values.length; i++) {
      values[i] = host.get(JAVA_LONG_UNALIGNED, i * 8L);
    }
    return values;
  }

  /// Asserts that the gaps between rows still hold garbage.
  ///
  /// @param host made by this class, or a copy
  void checkGaps(Tensor host) {
    for (long row = 0; row < host.size(0) - 1; row++) {
      long end = (row + 1) * host.pitchBytes();
      for (long at = row * host.pitchBytes() + host.rowBytes(); at < end; at++) {
        if (host.segment().get(JAVA_BYTE, at) != GARBAGE) {
          throw new AssertionError("gap was written: row=" + row + ", byte=" + at);
        }
      }
    }
  }
}
