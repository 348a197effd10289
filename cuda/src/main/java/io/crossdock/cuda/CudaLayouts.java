package io.crossdock.cuda;

import io.crossdock.core.CrossdockException;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.Layout;
import io.crossdock.core.Tensor;
import io.crossdock.cuda.driver.Stream;

/// Computes layouts on the caller's current stream, or on one of its own while the caller waits. No
/// part of the order of calls.
///
/// Confined to the thread that uses the buffer.
final class CudaLayouts implements AutoCloseable {
  private static final Struct ARGS = Structs.LAYOUT;
  private static final long SCRATCH = ARGS.offset("scratch");

  private final CudaContext context;
  private final CudaMemory memory;
  private final int numLocalRanks;
  private final Launcher kernel;
  private final ReportRing ring;
  private final ReportRing sticky;
  private final Stream own;
  private final Ticket ticket = new Ticket();
  private final int[] numExperts = new int[LocalMemory.NUM_LAYOUTS];
  private long issued;
  private long lastSticky;
  private long checked;

  CudaLayouts(CudaContext context, CudaMemory memory, int numLocalRanks) {
    this.context = context;
    this.memory = memory;
    this.numLocalRanks = numLocalRanks;
    this.kernel = context.launcher(Kernel.COUNT_LAYOUT);
    this.own = Stream.create(context.gpu.context());
    this.ring = new ReportRing(context.gpu.context(), LocalMemory.NUM_LAYOUTS);
    this.sticky = new ReportRing(context.gpu.context(), LocalMemory.NUM_LAYOUTS);
  }

  void layout(Tensor topkIdx, Layout target) {
    check();
    GpuStream current = GpuStream.currentOrNull();
    boolean captured = current != null && current.isCapturing();
    begin(captured, target.numExperts());
    put(topkIdx, target);
    int blocks = Math.min(context.sms(0), context.numRanks);
    kernel.run(current == null ? own : current.driver(), blocks, 0);
    target.filled(Math.toIntExact(topkIdx.size(0)), memory);
    if (current == null) {
      await(issued);
      check();
    }
  }

  private void begin(boolean captured, int experts) {
    if (captured) {
      lastSticky++;
      ticket.set(sticky.deviceAddress(lastSticky), lastSticky, true);
      return;
    }
    if (issued - checked == ring.numSlots()) {
      await(checked + 1);
      check();
    }
    issued++;
    numExperts[(int) (issued % ring.numSlots())] = experts;
    ticket.set(ring.deviceAddress(issued), issued, false);
  }

  private void put(Tensor topkIdx, Layout target) {
    kernel.putReporting(ticket);
    long[] words = {
      context.local.layout(ticket.number()),
      topkIdx.segment().address(),
      topkIdx.pitchBytes(),
      topkIdx.dtype().bytes(),
      topkIdx.size(0),
      topkIdx.size(1),
      target.numExperts(),
      context.numRanks,
      numLocalRanks,
      target.tokensPerRank().segment().address(),
      target.tokensPerNode().map(nodes -> nodes.segment().address()).orElse(0L),
      target.tokensPerExpert().segment().address(),
      target.tokenInRankBuffer().segment().address()
    };
    for (int i = 0; i < words.length; i++) {
      kernel.put(SCRATCH + i * (long) Long.BYTES, words[i]);
    }
  }

  private void await(long number) {
    Pacer pacer = new Pacer();
    while (!ring.holds(number)) {
      if (pacer.pause() && pacer.waitedNanos() > context.wait.bound().toNanos()) {
        // The stream knows why a kernel did not get to its report.
        own.synchronize(context.wait.bound());
        throw new CrossdockException(
            "layout was not computed in time: rank=" + context.rank + ", call=" + number);
      }
    }
  }

  /// Throws what the first layout found wrong that was not told yet.
  void check() {
    InvalidInputException failure = null;
    while (checked < issued && ring.holds(checked + 1)) {
      checked++;
      if (failure == null && Verdicts.code(ring.report(checked)) != Verdicts.PROCEED) {
        int experts = numExperts[(int) (checked % ring.numSlots())];
        failure = Verdicts.wrongInput(ring.report(checked), experts);
      }
    }
    for (int slot = 0; lastSticky > 0 && slot < sticky.numSlots(); slot++) {
      if (sticky.isFilled(slot)) {
        failure = Verdicts.wrongInput(sticky.report(slot), context.spec.numExperts());
        sticky.clear(slot);
      }
    }
    if (failure != null) {
      throw failure;
    }
  }

  @Override
  public void close() {
    try (own;
        ring) {
      sticky.close();
    }
  }
}
