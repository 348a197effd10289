package io.crossdock.host;

import io.crossdock.core.CombineFormat;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.protocol.LowLatencyKind;
import io.crossdock.core.protocol.LowLatencyState;
import io.crossdock.core.protocol.LowLatencyTerms;
import io.crossdock.core.spi.LowLatencyCombineCall;

/// Runs low-latency combines: send each expert output to its home; later wait and sum.
///
/// Confined to the thread that runs the call.
final class LowLatencyCombine {
  private final LowLatencyContext context;
  private final ReplyPlan[] plans = new ReplyPlan[LowLatencyState.SLOT_SETS];
  private final LowLatencyReplyTask reply;
  private final LowLatencySumTask sum;

  LowLatencyCombine(LowLatencyContext context, LowLatencyKernels kernels) {
    this.context = context;
    this.reply = new LowLatencyReplyTask(context, kernels.logFmt());
    this.sum = new LowLatencySumTask(context, kernels);
    for (int set = 0; set < plans.length; set++) {
      plans[set] = new ReplyPlan();
    }
  }

  private ReplyPlan plan(long epoch) {
    return plans[LowLatencyState.set(epoch)];
  }

  void send(LowLatencyCombineCall call) {
    context.requireSlots();
    HostLowLatencyHandle handle = (HostLowLatencyHandle) call.handle;
    planOrRefuse(call, handle);
    long epoch = context.begin();
    call.epoch = epoch;
    LowLatencyTerms terms = context.terms(epoch);
    terms.kind = LowLatencyKind.COMBINE;
    terms.format = call.format.ordinal();
    terms.numExperts = handle.numExperts;
    terms.numMaxTokens = handle.numMaxTokens;
    terms.handleEpoch = handle.epoch;
    int workers = context.host.workers(call.config == null ? 0 : call.config.numSms());
    try {
      reply.prepare(call, workers);
      sendReplies(epoch, workers);
    } finally {
      reply.clear();
    }
  }

  private void sendReplies(long epoch, int workers) {
    context.host.stats.start(Math.min(workers, reply.numChunks()), 1, 1);
    context.host.stats.numChunks = reply.numChunks();
    context.host.pool.run(reply, reply.numChunks(), workers);
    context.lanes.start();
    reply.putFar();
    context.publishFlags(epoch, null);
    context.host.stats.bytesRead = reply.numRows() * context.hidden * 2L;
    context.host.stats.bytesWritten = reply.bytesWritten();
    context.host.stats.wireBytes = reply.wireBytes();
    context.host.stats.networkBytes = context.lanes.bytes();
  }

  /// The plan goes where that of the call before the last was, which is complete.
  private void planOrRefuse(LowLatencyCombineCall call, HostLowLatencyHandle handle) {
    try {
      if (!handle.isReceived()) {
        throw new InvalidInputException(
            "the dispatch is not complete, its hook did not run or it failed: epoch="
                + handle.epoch);
      }
      checkGeneration(handle);
      plan(context.state.epoch() + 1).plan(call.topkIdx, handle);
    } catch (RuntimeException e) {
      context.refuse(String.valueOf(e.getMessage()));
      throw e;
    }
  }

  /// Ranks that came back since may not have taken part in the dispatch here, or everywhere: nobody
  /// could tell which rows are not sent.
  private void checkGeneration(HostLowLatencyHandle handle) {
    long epoch = context.state.epoch();
    if (LowLatencyState.generation(handle.epoch) != LowLatencyState.generation(epoch)) {
      throw new InvalidInputException(
          "the dispatch was made before ranks came back: rank="
              + context.rank
              + ", dispatchEpoch="
              + handle.epoch
              + ", epoch="
              + epoch
              + ", remedy=dispatch again");
    }
  }

  void receive(LowLatencyCombineCall call) {
    context.receive(call.epoch, () -> awaitAndSum(call));
  }

  private void awaitAndSum(LowLatencyCombineCall call) {
    context.awaitFlags(call.epoch);
    int workers = context.host.workers(call.config == null ? 0 : call.config.numSms());
    try {
      sum.prepare(call, plan(call.epoch), workers);
      context.host.pool.run(sum, sum.numChunks(), workers);
    } finally {
      sum.clear();
    }
    context.writeWaits(call.waitStats);
  }

  /// {@return true if rows of a format are encoded}
  static boolean isEncoded(CombineFormat format) {
    return format == CombineFormat.LOGFMT10;
  }
}
