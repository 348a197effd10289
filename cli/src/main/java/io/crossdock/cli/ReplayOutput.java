package io.crossdock.cli;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;

import io.crossdock.cli.safetensors.SafetensorsFile;
import io.crossdock.cli.safetensors.SafetensorsWriter;
import io.crossdock.cli.safetensors.TensorInfo;
import io.crossdock.core.CombineResult;
import io.crossdock.core.DType;
import io.crossdock.core.DispatchHandle;
import io.crossdock.core.DispatchResult;
import io.crossdock.core.EngineMemory;
import io.crossdock.core.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// The outputs of one rank, copied out of the engine into memory of the run, by the names of the
/// output file.
///
/// Confined to one thread.
final class ReplayOutput {
  private final Map<String, Named> tensors = new LinkedHashMap<>();
  private final EngineMemory engine;
  private final SegmentAllocator memory;
  private final long numRows;

  /// A tensor of the output file.
  private record Named(String dtype, List<Long> shape, MemorySegment bytes) {}

  /// @param engine where the engine's tensors come from
  /// @param memory where the copies go
  /// @param numRows received rows
  ReplayOutput(EngineMemory engine, SegmentAllocator memory, long numRows) {
    this.engine = engine;
    this.memory = memory;
    this.numRows = numRows;
  }

  /// Copies what a dispatch brought.
  ///
  /// @param routes the fresh dispatch: choices, weights, counts
  /// @param rows the fresh or the cached dispatch: rows and scales
  void dispatched(DispatchResult routes, DispatchResult rows) {
    DispatchHandle handle = routes.handle();
    add("recv_x", rows.recvX(), numRows);
    rows.recvScales().ifPresent(scales -> add("recv_scales", scales, numRows));
    add("recv_topk_idx", routes.recvTopkIdx().orElseThrow(), Long.MAX_VALUE);
    add("recv_topk_weights", routes.recvTopkWeights().orElseThrow(), Long.MAX_VALUE);
    addSources(handle, Math.toIntExact(numRows));
    int[] counts = handle.tokensPerLocalExpert();
    addInts("tokens_per_expert", counts, counts.length);
  }

  private void addSources(DispatchHandle handle, int n) {
    int[] ranks = new int[n];
    int[] tokens = new int[n];
    for (int row = 0; row < n; row++) {
      ranks[row] = handle.sourceRank(row);
      tokens[row] = handle.sourceTokenIdx(row);
    }
    addInts("recv_src_rank", ranks, n);
    addInts("recv_src_idx", tokens, n);
  }

  void combined(CombineResult home) {
    add("combined_x", home.combinedX(), Long.MAX_VALUE);
    add("combined_topk_weights", home.combinedTopkWeights().orElseThrow(), Long.MAX_VALUE);
  }

  /// Copies the sums of a low-latency combine.
  void combined(Tensor combinedX) {
    add("combined_x", combinedX, Long.MAX_VALUE);
  }

  /// Takes a tensor that was copied already.
  ///
  /// @param tensor contiguous, in memory of the run
  void put(String name, Tensor tensor) {
    List<Long> shape = Arrays.stream(tensor.shape()).boxed().toList();
    MemorySegment bytes = tensor.segment().asSlice(0, tensor.spanBytes());
    tensors.put(name, new Named(nameOf(tensor.dtype()), shape, bytes));
  }

  long numRows() {
    return numRows;
  }

  /// Copies a tensor; rows behind the valid ones are written as zeros, so that files can be
  /// compared.
  private void add(String name, Tensor tensor, long validRows) {
    Tensor copy = Tensor.allocate(memory, tensor.dtype(), tensor.shape());
    long valid = Math.min(validRows, tensor.size(0));
    MemorySegment bytes = engine.toHost(tensor).segment();
    MemorySegment.copy(bytes, 0, copy.segment(), 0, valid * tensor.rowBytes());
    List<Long> shape = List.of(tensor.size(0), tensor.size(1));
    tensors.put(name, new Named(nameOf(tensor.dtype()), shape, copy.segment()));
  }

  private void addInts(String name, int[] values, int count) {
    MemorySegment bytes = memory.allocate(count * 4L);
    MemorySegment.copy(values, 0, bytes, JAVA_INT_UNALIGNED, 0, count);
    tensors.put(name, new Named("I32", List.of((long) count), bytes));
  }

  private static String nameOf(DType dtype) {
    return switch (dtype) {
      case FP8_E4M3 -> "F8_E4M3";
      case FP16 -> "F16";
      default -> dtype.name();
    };
  }

  /// Compares every byte with another run.
  ///
  /// @throws VerificationException naming the first difference
  void checkSame(ReplayOutput other, int rank, int run) {
    for (Map.Entry<String, Named> mine : tensors.entrySet()) {
      long at = mine.getValue().bytes.mismatch(other.tensors.get(mine.getKey()).bytes);
      if (at >= 0) {
        throw new VerificationException(
            "runs differ: rank="
                + rank
                + ", run="
                + run
                + ", tensor="
                + mine.getKey()
                + ", byte="
                + at);
      }
    }
  }

  void write(Path file, int rank) {
    SafetensorsWriter writer = new SafetensorsWriter();
    tensors.forEach((name, tensor) ->
        writer.add("rank" + rank + "." + name, tensor.dtype, tensor.shape, tensor.bytes));
    writer.write(file);
  }

  /// Joins the files of all ranks into one.
  static void join(List<Path> parts, Path target) {
    SafetensorsWriter writer = new SafetensorsWriter();
    List<SafetensorsFile> open = parts.stream().map(SafetensorsFile::open).toList();
    try {
      for (SafetensorsFile part : open) {
        for (TensorInfo info : part.tensors().values()) {
          writer.add(info.name(), info.dtype(), info.shape(), part.bytes(info.name()));
        }
      }
      writer.write(target);
    } finally {
      open.forEach(SafetensorsFile::close);
    }
  }
}
