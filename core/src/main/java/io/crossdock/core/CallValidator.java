package io.crossdock.core;

import io.crossdock.core.protocol.HandleData;
import io.crossdock.core.spi.CombineCall;
import io.crossdock.core.spi.DispatchCall;

/// Checks a call's shapes and dtypes at the border, before anything is sent. Values of `topkIdx`
/// are checked by the engine, which may hold them on a device.
///
/// Safe for any thread.
final class CallValidator {
  /// Never started: stands for any thread but the caller's.
  private static final Thread ANOTHER_THREAD = Thread.ofPlatform().unstarted(() -> {});

  private final BufferSpec spec;
  private final int numRanks;

  CallValidator(BufferSpec spec, int numRanks) {
    this.spec = spec;
    this.numRanks = numRanks;
  }

  void layout(Tensor topkIdx, int numExperts) {
    checkTopkIdx(topkIdx, topkIdx.size(0));
    checkExperts(numExperts);
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
    Layout layout = call.layout;
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
    int tokens = call.handle.plan.numTokens();
    if (call.x.size(0) != tokens) {
      throw new InvalidInputException(
          "rows do not fit the handle: tokens=" + call.x.size(0) + ", handleTokens=" + tokens);
    }
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

  private void checkTopkIdx(Tensor topkIdx, long tokens) {
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

  private void checkExperts(int numExperts) {
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
  private static void checkMemory(String name, Tensor tensor) {
    if (tensor == null) {
      return;
    }
    if (!tensor.segment().scope().isAlive()) {
      throw new InvalidInputException(
          name + " lies in memory that was freed: " + tensor.describe());
    }
    if (!tensor.segment().isAccessibleBy(ANOTHER_THREAD)) {
      throw new InvalidInputException(
          name
              + " lies in memory confined to one thread: "
              + tensor.describe()
              + ", remedy=Arena.ofShared() or Arena.ofAuto()");
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
    long tokens = handle.plan.numTokens();
    if (call.bias0 != null) {
      expect("bias0", call.bias0, DType.BF16, tokens, spec.hidden());
    }
    if (call.bias1 != null) {
      expect("bias1", call.bias1, DType.BF16, tokens, spec.hidden());
    }
  }

  void combineOutputs(CombineCall call) {
    long tokens = call.handle.plan.numTokens();
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
