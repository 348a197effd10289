package io.crossdock.core;

import io.crossdock.core.protocol.LowLatencyHandleData;
import io.crossdock.core.spi.LowLatencyCombineCall;
import io.crossdock.core.spi.LowLatencyDispatchCall;
import java.util.Arrays;
import java.util.Objects;

/// Checks the shapes and dtypes of low-latency calls at the border, before anything is sent.
///
/// Safe for any thread.
final class LowLatencyValidator {
  private final BufferSpec spec;
  private final int numRanks;
  private final CallValidator common;

  LowLatencyValidator(BufferSpec spec, int numRanks, CallValidator common) {
    this.spec = spec;
    this.numRanks = numRanks;
    this.common = common;
  }

  void dispatch(LowLatencyDispatchCall call) {
    Objects.requireNonNull(call.x, "x");
    Objects.requireNonNull(call.topkIdx, "topkIdx");
    common.checkExperts(call.numExperts);
    if (call.numMaxTokens < 0 || call.numMaxTokens > spec.numMaxTokensPerRank()) {
      throw new InvalidInputException(
          "numMaxTokensPerRank must be within the buffer's: numMaxTokensPerRank="
              + call.numMaxTokens
              + ", buffer="
              + spec.numMaxTokensPerRank());
    }
    long tokens = call.x.size(0);
    if (tokens > call.numMaxTokens) {
      throw new InvalidInputException(
          "too many tokens: tokens=" + tokens + ", numMaxTokensPerRank=" + call.numMaxTokens);
    }
    expect("x", call.x, DType.BF16, tokens, spec.hidden());
    if (call.format.isFp8() && spec.hidden() % BufferSpec.CHANNELS_PER_SCALE != 0) {
      throw new InvalidInputException(
          "FP8 rows need hidden to be a multiple of 128: hidden=" + spec.hidden());
    }
    common.checkTopkIdx(call.topkIdx, tokens);
    common.checkMemory("topkIdx", call.topkIdx);
    int local = call.numExperts / numRanks;
    if (call.cumulativeRecvStats != null) {
      expect("cumulativeRecvStats", call.cumulativeRecvStats, DType.I32, local);
    }
    checkWaitStats(call.waitStats);
  }

  private void checkWaitStats(Tensor stats) {
    if (stats != null) {
      expect("waitStats", stats, DType.I64, numRanks);
    }
  }

  void combine(LowLatencyCombineCall call) {
    LowLatencyHandleData handle = call.handle;
    long rows = (long) handle.numMaxTokens * numRanks;
    int local = handle.numExperts / numRanks;
    Objects.requireNonNull(call.y, "y");
    expect("y", call.y, DType.BF16, local, rows, spec.hidden());
    Objects.requireNonNull(call.topkIdx, "topkIdx");
    common.checkTopkIdx(call.topkIdx, handle.numTokens);
    common.checkMemory("topkIdx", call.topkIdx);
    Objects.requireNonNull(call.topkWeights, "topkWeights");
    expect("topkWeights", call.topkWeights, DType.F32, handle.numTokens, call.topkIdx.size(1));
    if (call.combinedX != null) {
      expect("out", call.combinedX, DType.BF16, handle.numTokens, spec.hidden());
    }
    checkWaitStats(call.waitStats);
  }

  private void expect(String name, Tensor tensor, DType dtype, long... shape) {
    common.checkMemory(name, tensor);
    if (tensor.dtype() != dtype || !hasShape(tensor, shape) || !isPacked(tensor)) {
      throw new InvalidInputException(
          name
              + " has the wrong shape: "
              + tensor.describe()
              + ", expectedDtype="
              + dtype
              + ", expectedShape="
              + Arrays.toString(shape));
    }
  }

  private static boolean hasShape(Tensor tensor, long[] shape) {
    boolean same = tensor.numDims() == shape.length;
    for (int i = 0; same && i < shape.length; i++) {
      same = tensor.size(i) == shape[i];
    }
    return same;
  }

  /// Rows may lie apart, with a pitch; blocks of rows may not.
  private static boolean isPacked(Tensor tensor) {
    return tensor.numDims() == 2 || tensor.isContiguous();
  }
}
