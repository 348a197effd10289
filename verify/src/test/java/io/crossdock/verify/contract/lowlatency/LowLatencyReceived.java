package io.crossdock.verify.contract.lowlatency;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import io.crossdock.core.DType;
import io.crossdock.core.EngineMemory;
import io.crossdock.core.LowLatencyDispatchResult;
import io.crossdock.core.Tensor;
import io.crossdock.core.format.Bf16;
import io.crossdock.core.format.Fp8E4m3;
import io.crossdock.core.format.Ue8m0;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/// What a low-latency dispatch brought, in memory of the host.
///
/// Safe for any thread while the result is alive.
///
/// @param x packed rows
/// @param scales of FP8 rows, column-major
/// @param count rows of each local expert
/// @param srcInfo source token of each row
/// @param layoutRange begin and count of each source at each local expert
record LowLatencyReceived(
    Tensor x, Optional<Tensor> scales, int[] count, int[] srcInfo, int[] layoutRange) {

  private static final int CHANNELS = 128;

  static LowLatencyReceived of(LowLatencyDispatchResult result, LowLatencyTensors tensors) {
    EngineMemory memory = tensors.memory();
    return new LowLatencyReceived(
        memory.toHost(result.recvX()),
        result.recvScales().map(memory::toHost),
        tensors.ints(result.recvCount()),
        tensors.ints(result.handle().srcInfo()),
        tensors.ints(result.handle().layoutRange()));
  }

  /// {@return first byte of a row}
  long rowAt(int expert, long row) {
    return (expert * x.size(1) + row) * x.size(2) * x.dtype().bytes();
  }

  /// {@return a row's bytes}
  MemorySegment row(int expert, long row) {
    return x.segment().asSlice(rowAt(expert, row), x.size(2) * x.dtype().bytes());
  }

  /// {@return the four bytes of a scale, or of a word of packed scales}
  int scaleBits(int expert, long row, long column) {
    Tensor all = scales.orElseThrow();
    long at = expert * all.stride(0) + row * all.stride(1) + column * all.stride(2);
    return all.segment().get(JAVA_INT_UNALIGNED, at * Integer.BYTES);
  }

  private float scale(int expert, long row, int group) {
    if (scales.orElseThrow().dtype() == DType.F32) {
      return Float.intBitsToFloat(scaleBits(expert, row, group));
    }
    int word = scaleBits(expert, row, group / 4);
    return Ue8m0.toFloat((byte) (word >>> (group % 4 * Byte.SIZE)));
  }

  private float value(int expert, long row, int channel) {
    long at = rowAt(expert, row);
    if (scales.isEmpty()) {
      return Bf16.toFloat(x.segment().get(JAVA_SHORT_UNALIGNED, at + channel * 2L));
    }
    float code = Fp8E4m3.toFloat(x.segment().get(JAVA_BYTE, at + channel));
    return code * scale(expert, row, channel / CHANNELS);
  }

  /// Applies the experts: BF16 rows at the places of the received ones; the rest is left alone.
  ///
  /// @param test the case
  /// @param rank this rank
  /// @param y receives the rows, [E/R, rows, H] without gaps
  void applyExperts(LowLatencyCase test, int rank, MemorySegment y) {
    int hidden = test.sizes().hidden();
    for (int expert = 0; expert < count.length; expert++) {
      long global = (long) rank * count.length + expert;
      float factor = LowLatencyData.factor(test, global);
      for (long row = 0; row < count[expert]; row++) {
        long at = (expert * x.size(1) + row) * hidden * 2;
        for (int channel = 0; channel < hidden; channel++) {
          short rounded = Bf16.fromFloat(factor * value(expert, row, channel));
          y.set(JAVA_SHORT_UNALIGNED, at + channel * 2L, rounded);
        }
      }
    }
  }
}
