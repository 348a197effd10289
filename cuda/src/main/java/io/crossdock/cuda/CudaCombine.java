package io.crossdock.cuda;

import io.crossdock.core.CrossdockException;
import io.crossdock.core.Tensor;
import io.crossdock.core.protocol.WindowSet;
import io.crossdock.core.spi.CombineCall;

/// Enqueues combines: one kernel stages unless the outputs already lie in a window, enters, pulls
/// and sums. In rounds when the windows are too small, with sums at the end.
///
/// Confined to the thread that runs the call; [#reserve] may run ahead on the caller's thread.
final class CudaCombine {
  private static final Struct ARGS = Structs.COMBINE;
  private static final long MODE = ARGS.offset("mode");
  private static final long NUM_TOKENS = ARGS.offset("num_tokens");
  private static final long Y = ARGS.offset("y");
  private static final long WEIGHTS = ARGS.offset("weights");
  private static final long BIAS0 = ARGS.offset("bias0");
  private static final long BIAS1 = ARGS.offset("bias1");
  private static final long COMBINED_X = ARGS.offset("combined_x");
  private static final long COMBINED_WEIGHTS = ARGS.offset("combined_weights");
  private static final long FIRST_ROW = ARGS.offset("first_row");
  private static final long GATHERED = ARGS.offset("gathered");
  private static final long GATHERED_WEIGHTS = ARGS.offset("gathered_weights");
  private static final long MAX_PER_TOKEN = ARGS.offset("max_per_token");

  // Ordinals of CombineMode in args.cuh.
  private static final long SUM_FROM_WINDOWS = 0;
  private static final long GATHER = 1;
  private static final long SUM_GATHERED = 2;

  /// Shared memory for each rank: Source in combine.cu, and the window that the rank chose.
  private static final int SOURCE_BYTES = 24;

  private final CudaContext context;
  private final CudaOutputs outputs;
  private final WindowSet windows;
  private final Launcher kernel;
  private final long rowBytes;

  CudaCombine(CudaContext context, CudaOutputs outputs) {
    this.context = context;
    this.outputs = outputs;
    this.windows = context.output;
    this.kernel = context.launcher(Kernel.COMBINE_ROWS);
    this.rowBytes = context.spec.hidden() * 2L;
  }

  void reserve(CombineCall call) {
    context.checkReady(call.config.numSms());
    call.window = outputs.claim(call.y);
  }

  void combine(CombineCall call) {
    CudaHandleData handle = (CudaHandleData) call.handle;
    int window = call.window >= 0 ? call.window : -1;
    int rounds;
    try {
      context.health.checkUsable();
      rounds = context.knownRounds(handle);
    } catch (RuntimeException e) {
      if (window >= 0) {
        context.withdraw(windows, window);
      }
      throw e;
    }
    if (window < 0) {
      window = acquireOrRefuse();
    }
    putCall(call, handle);
    if (rounds == 1) {
      round(call, window, 0, SUM_FROM_WINDOWS);
    } else {
      combineInRounds(call, window, rounds);
    }
    context.stats.combine(handle, context.sms(call.config.numSms()), rounds, rowBytes);
  }

  private int acquireOrRefuse() {
    try {
      return outputs.acquire();
    } catch (CrossdockException e) {
      if (!context.health.isAborted()) {
        context.refuse(e.getMessage());
      }
      throw e;
    }
  }

  private void putCall(CombineCall call, CudaHandleData handle) {
    kernel.putHandle(handle.block(), false);
    kernel.put(NUM_TOKENS, handle.numTokens());
    kernel.putRows(BIAS0, call.bias0);
    kernel.putRows(BIAS1, call.bias1);
    kernel.putRows(COMBINED_X, call.combinedX);
    kernel.putRows(COMBINED_WEIGHTS, call.topkWeights == null ? null : call.combinedTopkWeights);
    kernel.put(GATHERED, 0);
    kernel.put(GATHERED_WEIGHTS, 0);
    kernel.put(MAX_PER_TOKEN, 0);
  }

  /// Enqueues one round. On any failure the window is withdrawn.
  private long round(CombineCall call, int window, int round, long mode) {
    try {
      Ticket begun = context.begin();
      outputs.awaitRelease(window);
      call.fillEntry(context.entry, window, context.geometry.rows, round);
      kernel.putEntry(context.entry);
      kernel.putReporting(begun);
      kernel.put(MODE, mode);
      kernel.putRows(Y, call.window == window ? null : call.y);
      kernel.putRows(WEIGHTS, liesInWindow(call.topkWeights, window) ? null : call.topkWeights);
      kernel.put(FIRST_ROW, round * context.geometry.rows);
      long ticket = begun.isSticky() ? 0 : begun.number();
      boolean told = ticket != 0 && !context.comm.isDeferred();
      if (told) {
        context.log.uses(ticket, windows, window, 0);
      }
      run(call);
      if (!told) {
        windows.free(window);
      }
      return ticket;
    } catch (RuntimeException e) {
      context.withdraw(windows, window);
      throw e;
    }
  }

  private void run(CombineCall call) {
    int sms = context.sms(call.config.numSms());
    context.run(Kernel.COMBINE_ROWS, sms, context.numRanks * SOURCE_BYTES);
  }

  private boolean liesInWindow(Tensor weights, int window) {
    return weights == null
        || (weights.segment().address() == outputs.address(window) + context.geometry.outputWeights
            && weights.isContiguous());
  }

  /// The host looks at the verdict of each round before the next, and waits for the sums: their
  /// kernel exchanges nothing and does not report.
  private void combineInRounds(CombineCall call, int first, int rounds) {
    CudaHandleData handle = (CudaHandleData) call.handle;
    long perToken = handle.topk == 0 ? context.numRanks : Math.min(handle.topk, context.numRanks);
    long slots = Math.max(1, handle.numTokens() * perToken);
    GpuMemory memory = context.gpu.memory();
    long gathered = memory.take(slots * rowBytes);
    long weights = 0;
    try {
      weights = call.topkWeights == null ? 0 : memory.take(slots * handle.topk * Float.BYTES);
      kernel.put(GATHERED, gathered);
      kernel.put(GATHERED_WEIGHTS, weights);
      kernel.put(MAX_PER_TOKEN, perToken);
      int window = first;
      for (int round = 0; round < rounds; round++) {
        window = round == 0 ? first : outputs.acquire();
        long ticket = round(call, window, round, GATHER);
        context.wait.join(ticket - 1, ticket);
      }
      kernel.put(MODE, SUM_GATHERED);
      run(call);
      context.comm.driver().synchronize(context.wait.bound());
    } finally {
      memory.giveBack(gathered);
      if (weights != 0) {
        memory.giveBack(weights);
      }
    }
  }
}
