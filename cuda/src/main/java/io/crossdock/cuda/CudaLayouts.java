package io.crossdock.cuda;

import io.crossdock.core.InvalidInputException;
import io.crossdock.core.Layout;
import io.crossdock.core.Tensor;
import io.crossdock.core.WaitTimeoutException;
import io.crossdock.cuda.driver.Context;

/// Computes layouts on the caller's current stream, or on the GPU's service stream while the caller
/// waits. No part of the order of calls.
///
/// Confined to the thread that uses the buffer.
final class CudaLayouts implements AutoCloseable {
  private static final Struct ARGS = Structs.LAYOUT;
  private static final long SCRATCH = ARGS.offset("scratch");
  private static final long TOPK_IDX = ARGS.offset("topk_idx");
  private static final long INDEX_BYTES = ARGS.offset("index_bytes");
  private static final long NUM_TOKENS = ARGS.offset("num_tokens");
  private static final long TOPK = ARGS.offset("topk");
  private static final long NUM_EXPERTS = ARGS.offset("num_experts");
  private static final long RANKS = ARGS.offset("tokens_per_rank");
  private static final long NODES = ARGS.offset("tokens_per_node");
  private static final long EXPERTS = ARGS.offset("tokens_per_expert");
  private static final long IN_RANK = ARGS.offset("token_in_rank");

  private final CudaContext context;
  private final CudaMemory memory;
  private final Launcher kernel;
  private final ReportRing ring;
  private final ReportRing sticky;
  private final Resources resources = new Resources();
  private final Ticket ticket = new Ticket();
  private final Pacer pacer = new Pacer();
  private final int[] numExperts = new int[LocalMemory.NUM_LAYOUTS];
  private final int[] numCapturedExperts = new int[LocalMemory.NUM_LAYOUTS];
  private long issued;
  private long lastSticky;
  private long checked;

  CudaLayouts(CudaContext context, CudaMemory memory, int numLocalRanks) {
    this.context = context;
    this.memory = memory;
    this.kernel = context.launcher(Kernel.COUNT_LAYOUT);
    kernel.put(ARGS.offset("num_ranks"), context.numRanks);
    kernel.put(ARGS.offset("num_local_ranks"), numLocalRanks);
    Context gpu = context.gpu.context();
    try {
      ring = resources.add(new ReportRing(gpu, LocalMemory.NUM_LAYOUTS));
      sticky = resources.add(new ReportRing(gpu, LocalMemory.NUM_LAYOUTS));
    } catch (RuntimeException e) {
      resources.close();
      throw e;
    }
  }

  void layout(Tensor topkIdx, Layout target) {
    check();
    GpuStream current = GpuStream.currentOnGpu();
    boolean captured = current != null && current.isCapturing();
    begin(captured, target.numExperts());
    put(topkIdx, target);
    int blocks = Math.min(context.sms(0), context.numRanks);
    kernel.run(current == null ? context.gpu.service() : current.driver(), blocks, 0);
    target.filled(Math.toIntExact(topkIdx.size(0)), memory);
    if (current == null) {
      await(issued);
      check();
    }
  }

  private void begin(boolean captured, int experts) {
    if (captured) {
      lastSticky++;
      numCapturedExperts[(int) (lastSticky % sticky.numSlots())] = experts;
      ticket.set(sticky.deviceAddress(lastSticky), lastSticky, true);
      return;
    }
    if (issued - checked == ring.numSlots()) {
      await(checked + 1);
      check();
    }
    issued++;
    numExperts[(int) (issued % ring.numSlots())] = experts;
    ring.prepare(issued);
    ticket.set(ring.deviceAddress(issued), issued, false);
  }

  private void put(Tensor topkIdx, Layout target) {
    kernel.putReporting(ticket);
    kernel.put(SCRATCH, context.local.layout(ticket.number()));
    kernel.putRows(TOPK_IDX, topkIdx);
    kernel.put(INDEX_BYTES, topkIdx.dtype().bytes());
    kernel.put(NUM_TOKENS, topkIdx.size(0));
    kernel.put(TOPK, topkIdx.size(1));
    kernel.put(NUM_EXPERTS, target.numExperts());
    kernel.putMemory(RANKS, target.tokensPerRank().segment());
    boolean nodes = target.tokensPerNode().isPresent();
    kernel.putMemory(NODES, nodes ? target.tokensPerNode().get().segment() : null);
    kernel.putMemory(EXPERTS, target.tokensPerExpert().segment());
    kernel.putMemory(IN_RANK, target.tokenInRankBuffer().segment());
  }

  private void await(long number) {
    pacer.begin();
    while (!ring.holds(number)) {
      if (pacer.pause() && pacer.waitedNanos() > context.wait.bound().toNanos()) {
        checkReported(number);
      }
    }
  }

  /// Throws if a layout did not come in time: what the stream failed with if that is why.
  private void checkReported(long number) {
    context.gpu.service().isDone();
    if (!ring.holds(number)) {
      throw new WaitTimeoutException(
          "layout was not computed in time",
          new WaitTimeoutException.Facts(
              context.rank, "LAYOUT", number, checked, pacer.waitedNanos()));
    }
  }

  /// Throws what the first layout found wrong that was not told yet.
  void check() {
    InvalidInputException failure = null;
    while (checked < issued && ring.holds(checked + 1)) {
      checked++;
      if (failure == null && ring.code(checked) != Verdicts.PROCEED) {
        int experts = numExperts[(int) (checked % ring.numSlots())];
        failure = Verdicts.wrongInput(ring.report(checked), experts);
      }
    }
    for (int slot = 0; lastSticky > 0 && slot < sticky.numSlots(); slot++) {
      if (failure == null && sticky.isFilled(slot)) {
        failure = Verdicts.wrongInput(sticky.report(slot), numCapturedExperts[slot]);
        sticky.clear(slot);
      }
    }
    if (failure != null) {
      throw failure;
    }
  }

  @Override
  public void close() {
    resources.close();
  }
}
