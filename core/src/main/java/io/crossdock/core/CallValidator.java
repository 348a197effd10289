package io.crossdock.core;

import io.crossdock.core.protocol.HandleData;
import io.crossdock.core.spi.CombineCall;
import io.crossdock.core.spi.DispatchCall;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.util.Objects;

/// Checks a call's shapes and dtypes at the border, before anything is sent. Values of `topkIdx`
/// are checked by the engine, which may hold them on a device.
///
/// Safe for any thread.
final class CallValidator {
  /// Never started: stands for any thread but the caller's.
  private static final Thread ANOTHER_THREAD = Thread.ofPlatform().unstarted(() -> {});

  private final BufferSpec spec;
  private final int numRanks;
  private final Device device;

  /// @param device where all tensors of a call must lie
  CallValidator(BufferSpec spec, int numRanks, Device device) {
    this.spec = spec;
    this.numRanks = numRanks;
    this.device = device;
  }

  void layout(Tensor topkIdx, int numExperts) {
    Objects.requireNonNull(topkIdx, "topkIdx");
    checkTopkIdx(topkIdx, topkIdx.size(0));
    checkAlive("topkIdx", topkIdx);
    checkExperts(numExperts);
  }

  void layout(Tensor topkIdx, Layout target) {
    layout(topkIdx, target.numExperts());
    checkAlive("layout", target.tokenInRankBuffer());
    if (target.numRanks() != numRanks || target.maxTokens() < topkIdx.size(0)) {
      throw new InvalidInputException(
          "layout does not fit the choices: layoutRanks="
              + target.numRanks()
              + ", numRanks="
              + numRanks
              + ", maxTokens="
              + target.maxTokens()
              + ", tokens="
              + topkIdx.size(0));
    }
  }

  void dispatch(DispatchCall call) {
    checkRows(call.x);
    checkMemory("x", call.x);
    checkMemory("scales", call.scales);
    checkMemory("topkIdx", call.topkIdx);
    checkMemory("topkWeights", call.topkWeights);
    checkScales(call.x, call.scales);
    if (call.cached) {
      checkCached(call);
      return;
    }
    long tokens = call.x.size(0);
    Layout layout = Objects.requireNonNull(call.layout, "layout");
    checkMemory("layout", layout.tokenInRankBuffer());
    checkExperts(layout.numExperts());
    if (layout.numTokens() != tokens || layout.numRanks() != numRanks) {
      throw new InvalidInputException(
          "layout does not fit the rows: layoutTokens="
              + layout.numTokens()
              + ", tokens="
              + tokens
              + ", layoutRanks="
              + layout.numRanks()
              + ", numRanks="
              + numRanks);
    }
    if (call.topkIdx != null) {
      checkTopkIdx(call.topkIdx, tokens);
    }
    checkWeights(call);
  }

  private void checkWeights(DispatchCall call) {
    if (call.topkWeights == null) {
      return;
    }
    if (call.topkIdx == null) {
      throw new InvalidInputException("topkWeights need topkIdx: " + call.topkWeights.describe());
    }
    expect("topkWeights", call.topkWeights, DType.F32, call.x.size(0), call.topkIdx.size(1));
  }

  private void checkCached(DispatchCall call) {
    if (call.topkIdx != null || call.topkWeights != null) {
      throw new InvalidInputException(
          "a cached dispatch takes no top-k: epoch=" + call.handle.epoch);
    }
    int tokens = call.handle.numTokens();
    if (call.x.size(0) != tokens) {
      throw new InvalidInputException(
          "rows do not fit the handle: tokens=" + call.x.size(0) + ", handleTokens=" + tokens);
    }
  }

  /// Outputs are read with the columns and dtypes they were made with, so the input must have the
  /// same.
  void dispatchOutputs(DispatchCall call, DispatchOutputs outputs) {
    expectLike("recvX", outputs.recvX(), call.x);
    expectLike("recvScales", outputs.recvScales().orElse(null), call.scales);
    expectLike("recvTopkIdx", outputs.recvTopkIdx().orElse(null), call.topkIdx);
    expectLike("recvTopkWeights", outputs.recvTopkWeights().orElse(null), call.topkWeights);
    long rows = outputs.recvX().size(0);
    if (call.numWorstTokens > rows) {
      throw new InvalidInputException(
          "numWorstTokens does not fit the outputs: numWorstTokens="
              + call.numWorstTokens
              + ", outputRows="
              + rows);
    }
  }

  private void expectLike(String name, Tensor output, Tensor input) {
    boolean same = (output == null) == (input == null);
    boolean fits =
        output == null
            || input == null
            || (output.dtype() == input.dtype() && output.size(1) == input.size(1));
    if (!same || !fits) {
      throw new InvalidInputException(
          name
              + " does not fit the input: output="
              + (output == null ? "none" : output)
              + ", input="
              + (input == null ? "none" : input)
              + ", remedy=allocateOutputs for such an input");
    }
    checkMemory(name, output);
  }

  private void checkRows(Tensor x) {
    DType dtype = x.dtype();
    boolean fp8 = dtype == DType.FP8_E4M3;
    boolean known = fp8 || dtype == DType.BF16 || dtype == DType.FP16 || dtype == DType.F32;
    if (!known || x.numDims() != 2 || x.size(1) != spec.hidden()) {
      throw new InvalidInputException(
          "x must be [tokens, hidden] of BF16, FP16, F32 or FP8_E4M3: "
              + x.describe()
              + ", hidden="
              + spec.hidden());
    }
    if (fp8 && spec.hidden() % BufferSpec.CHANNELS_PER_SCALE != 0) {
      throw new InvalidInputException(
          "FP8 rows need hidden to be a multiple of 128: hidden=" + spec.hidden());
    }
    if (x.rowBytes() > spec.maxRowBytes()) {
      throw new InvalidInputException(
          "rows are wider than the buffer's: " + x.describe() + ", bufferDtype=" + spec.dtype());
    }
    if (x.size(0) > spec.numMaxTokensPerRank()) {
      throw new InvalidInputException(
          "too many tokens: tokens="
              + x.size(0)
              + ", numMaxTokensPerRank="
              + spec.numMaxTokensPerRank());
    }
  }

  private void checkScales(Tensor x, Tensor scales) {
    if (x.dtype() != DType.FP8_E4M3) {
      if (scales != null) {
        throw new InvalidInputException("scales go with FP8 rows only: " + x.describe());
      }
      return;
    }
    if (scales == null) {
      throw new InvalidInputException("FP8 rows need scales: " + x.describe());
    }
    int perRow = spec.hidden() / BufferSpec.CHANNELS_PER_SCALE;
    if (scales.dtype() == DType.I32) {
      expect("packed UE8M0 scales", scales, DType.I32, x.size(0), (perRow + 3) / 4);
    } else {
      expect("scales", scales, DType.F32, x.size(0), perRow);
    }
  }

  void checkTopkIdx(Tensor topkIdx, long tokens) {
    boolean integer = topkIdx.dtype() == DType.I64 || topkIdx.dtype() == DType.I32;
    if (!integer || topkIdx.numDims() != 2 || topkIdx.size(0) != tokens) {
      throw new InvalidInputException(
          "topkIdx must be [tokens, topk] of I64 or I32: "
              + topkIdx.describe()
              + ", tokens="
              + tokens);
    }
    if (topkIdx.size(1) < 1 || topkIdx.size(1) > spec.topk()) {
      throw new InvalidInputException(
          "topk is out of range: topk=" + topkIdx.size(1) + ", bufferTopk=" + spec.topk());
    }
  }

  void checkExperts(int numExperts) {
    if (numExperts < 1 || numExperts > spec.numExperts() || numExperts % numRanks != 0) {
      throw new InvalidInputException(
          "numExperts must be a multiple of numRanks within the buffer's: numExperts="
              + numExperts
              + ", numRanks="
              + numRanks
              + ", bufferExperts="
              + spec.numExperts());
    }
  }

  /// Rows are moved by several threads, so memory must be alive and open to all of them.
  void checkMemory(String name, Tensor tensor) {
    if (tensor != null) {
      checkAlive(name, tensor);
      if (!isShared(tensor.segment())) {
        throw confined(name, tensor.describe());
      }
    }
  }

  private void checkAlive(String name, Tensor tensor) {
    tensor.checkDevice(device, name);
    int last = tensor.numDims() - 1;
    if (tensor.stride(last) != 1 && tensor.numElements() > 0) {
      throw new InvalidInputException(
          name + " must have a contiguous last dimension: " + tensor.describe());
    }
    if (!tensor.segment().scope().isAlive()) {
      throw new InvalidInputException(
          name + " lies in memory that was freed: " + tensor.describe());
    }
  }

  private static boolean isShared(MemorySegment memory) {
    return memory.isAccessibleBy(ANOTHER_THREAD);
  }

  private static InvalidInputException confined(String name, String facts) {
    return new InvalidInputException(
        name
            + " lies in memory confined to one thread: "
            + facts
            + ", remedy=Arena.ofShared() or Arena.ofAuto()");
  }

  /// Asks for no bytes of an arena that outputs will come from: that it cannot be used would
  /// otherwise come out in the middle of the call, when it is too late to refuse it.
  void allocator(SegmentAllocator allocator) {
    allocatorDevice(allocator);
    if (!(allocator instanceof Arena arena)) {
      return;
    }
    if (!arena.scope().isAlive()) {
      throw new InvalidInputException("allocator is a closed arena: arena=" + arena);
    }
    if (!isShared(arena.allocate(0))) {
      throw confined("allocator", "arena=" + arena);
    }
  }

  void allocatorDevice(SegmentAllocator allocator) {
    Device other = DeviceAllocator.deviceOf(allocator);
    if (!other.equals(device)) {
      throw new InvalidInputException(
          "allocator lies on another device: device="
              + other
              + ", engineDevice="
              + device
              + ", remedy=EpBuffer.memory().allocator");
    }
  }

  void combine(CombineCall call) {
    HandleData handle = call.handle;
    long rows = handle.worstRows > 0 ? handle.worstRows : handle.numRecvRows();
    expect("y", call.y, DType.BF16, rows, spec.hidden());
    checkMemory("y", call.y);
    checkMemory("topkWeights", call.topkWeights);
    checkMemory("bias0", call.bias0);
    checkMemory("bias1", call.bias1);
    if (call.topkWeights != null) {
      if (handle.topk == 0) {
        throw new InvalidInputException("dispatch had no top-k: epoch=" + handle.epoch);
      }
      expect("topkWeights", call.topkWeights, DType.F32, rows, handle.topk);
    }
    long tokens = handle.numTokens();
    if (call.bias0 != null) {
      expect("bias0", call.bias0, DType.BF16, tokens, spec.hidden());
    }
    if (call.bias1 != null) {
      expect("bias1", call.bias1, DType.BF16, tokens, spec.hidden());
    }
  }

  void combineOutputs(CombineCall call) {
    long tokens = call.handle.numTokens();
    Objects.requireNonNull(call.combinedX, "combinedX");
    expect("combinedX", call.combinedX, DType.BF16, tokens, spec.hidden());
    checkMemory("combinedX", call.combinedX);
    checkMemory("combinedTopkWeights", call.combinedTopkWeights);
    if (call.topkWeights != null) {
      if (call.combinedTopkWeights == null) {
        throw new InvalidInputException("weights are summed but have no output: tokens=" + tokens);
      }
      expect("combinedTopkWeights", call.combinedTopkWeights, DType.F32, tokens, call.handle.topk);
    }
  }

  private static void expect(String name, Tensor tensor, DType dtype, long rows, long columns) {
    boolean fits =
        tensor.dtype() == dtype
            && tensor.numDims() == 2
            && tensor.size(0) == rows
            && tensor.size(1) == columns;
    if (!fits) {
      throw new InvalidInputException(
          name
              + " has the wrong shape: "
              + tensor.describe()
              + ", expectedDtype="
              + dtype
              + ", expectedRows="
              + rows
              + ", expectedColumns="
              + columns);
    }
  }
}
