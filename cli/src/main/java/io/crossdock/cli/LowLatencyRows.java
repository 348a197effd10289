package io.crossdock.cli;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;

import io.crossdock.core.DType;
import io.crossdock.core.EngineMemory;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.LowLatencyDispatchResult;
import io.crossdock.core.Tensor;
import io.crossdock.core.format.Bf16;
import io.crossdock.core.format.Fp8Groups;
import io.crossdock.core.format.Ue8m0;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/// What a low-latency dispatch brought to one rank, on the host and in logical order whatever the
/// memory layout.
///
/// Confined to one thread; readable until the result is closed.
final class LowLatencyRows {
  private static final int NO_SOURCE = -1;

  private final EngineMemory engine;
  private final int numRanks;
  private final Tensor x;
  private final Optional<Tensor> scales;
  private final Tensor count;
  private final Tensor srcInfo;
  private final Tensor range;
  private final MemorySegment rowScales;

  /// @param buffer of the dispatch
  /// @param got a complete result
  LowLatencyRows(EpBuffer buffer, LowLatencyDispatchResult got) {
    this.engine = buffer.memory();
    this.numRanks = buffer.group().size();
    this.x = engine.toHost(got.recvX());
    this.scales = got.recvScales().map(engine::toHost);
    this.count = engine.toHost(got.recvCount());
    this.srcInfo = engine.toHost(got.handle().srcInfo());
    this.range = engine.toHost(got.handle().layoutRange());
    long groups = x.size(2) / Fp8Groups.CHANNELS;
    this.rowScales = MemorySegment.ofArray(new float[scales.isPresent() ? (int) groups : 0]);
  }

  int numLocalExperts() {
    return Math.toIntExact(x.size(0));
  }

  /// {@return rows that an expert received}
  int count(int expert) {
    return count.segment().get(JAVA_INT_UNALIGNED, expert * 4L);
  }

  long numRows() {
    long rows = 0;
    for (int expert = 0; expert < numLocalExperts(); expert++) {
      rows += count(expert);
    }
    return rows;
  }

  /// Reads a row: the value of an FP8 one is q * scale, not rounded further.
  ///
  /// @param values receives H float32
  void read(int expert, int row, float[] values) {
    MemorySegment bytes = row(x, expert, row);
    if (scales.isEmpty()) {
      Bf16.decodeRow(bytes, values);
      return;
    }
    Tensor all = scales.get();
    MemorySegment logical = MemorySegment.ofArray(new int[Math.toIntExact(all.size(2))]);
    gather(all, expert, row, logical);
    if (all.dtype() == DType.I32) {
      Ue8m0.unpackRow(logical, rowScales);
    } else {
      rowScales.copyFrom(logical);
    }
    Fp8Groups.dequantiseRow(bytes, rowScales, values);
  }

  /// {@return the place of a row in [E/R, maxTok * R, H]}
  static MemorySegment row(Tensor rows, long expert, long row) {
    long index = expert * rows.size(1) + row;
    return rows.segment().asSlice(index * rows.rowBytes(), rows.rowBytes());
  }

  /// Columns of a row's scales lie apart; an element has four bytes in both types.
  private static void gather(Tensor scales, long expert, long row, MemorySegment to) {
    long at = expert * scales.stride(0) + row * scales.stride(1);
    for (long column = 0; column < scales.size(2); column++) {
      int bits = scales.segment().get(JAVA_INT_UNALIGNED, (at + column * scales.stride(2)) * 4);
      to.set(JAVA_INT_UNALIGNED, column * 4, bits);
    }
  }

  /// {@return all of it by the names of the output file; rows behind the count of an expert are
  /// zeros, their source is -1}
  ReplayOutput output(Arena arena) {
    ReplayOutput output = new ReplayOutput(engine, arena, numRows());
    output.put("ll_recv_x", rows(arena));
    scales.ifPresent(all -> {
      boolean packed = all.dtype() == DType.I32;
      output.put(packed ? "ll_recv_scales_ue8m0" : "ll_recv_scales", scales(all, arena));
    });
    output.put("ll_recv_count", copy(count, arena));
    output.put("ll_src_info", sources(arena));
    output.put("ll_layout_begin", ofRange(0, arena));
    output.put("ll_layout_count", ofRange(1, arena));
    return output;
  }

  private static Tensor copy(Tensor tensor, Arena arena) {
    Tensor copy = Tensor.allocate(arena, tensor.dtype(), tensor.shape());
    MemorySegment.copy(tensor.segment(), 0, copy.segment(), 0, copy.spanBytes());
    return copy;
  }

  private Tensor rows(Arena arena) {
    Tensor copy = Tensor.allocate(arena, x.dtype(), x.shape());
    for (int expert = 0; expert < numLocalExperts(); expert++) {
      long at = expert * x.size(1) * x.rowBytes();
      long bytes = count(expert) * x.rowBytes();
      MemorySegment.copy(x.segment(), at, copy.segment(), at, bytes);
    }
    return copy;
  }

  private Tensor scales(Tensor all, Arena arena) {
    Tensor copy = Tensor.allocate(arena, all.dtype(), all.shape());
    for (int expert = 0; expert < numLocalExperts(); expert++) {
      for (int row = 0; row < count(expert); row++) {
        gather(all, expert, row, row(copy, expert, row));
      }
    }
    return copy;
  }

  private Tensor sources(Arena arena) {
    Tensor copy = copy(srcInfo, arena);
    for (int expert = 0; expert < numLocalExperts(); expert++) {
      for (long row = count(expert); row < copy.size(1); row++) {
        long at = (expert * copy.size(1) + row) * 4;
        copy.segment().set(JAVA_INT_UNALIGNED, at, NO_SOURCE);
      }
    }
    return copy;
  }

  /// {@return the begins, or the counts, of [E/R, R, 2]}
  private Tensor ofRange(int which, Arena arena) {
    Tensor part = Tensor.allocate(arena, DType.I32, numLocalExperts(), numRanks);
    for (long i = 0; i < part.numElements(); i++) {
      int value = range.segment().get(JAVA_INT_UNALIGNED, (2 * i + which) * 4);
      part.segment().set(JAVA_INT_UNALIGNED, i * 4, value);
    }
    return part;
  }
}
