package io.crossdock.host;

import io.crossdock.core.CrossdockException;
import io.crossdock.core.protocol.SendPlan;
import io.crossdock.core.spi.CombineCall;

/// Runs combines: stage unless the outputs already lie in a window, publish, pull and sum.
///
/// Confined to the thread that runs the call; [#reserve] may run ahead on the caller's thread.
final class CombineRunner {
  private final HostContext context;
  private final OutputWindows windows;
  private final SumKernel kernel;
  private final WindowRows windowRows;
  private final PullTask pull;
  private final CopyTask copy = new CopyTask();
  private final long rowBytes;

  /// The sums over nodes, and where their rows are; null on one node.
  private final NodeCombine nodes;

  private final NodeWindowRows nodeRows;

  CombineRunner(HostContext context, OutputWindows windows, SumKernel kernel) {
    this.context = context;
    this.windows = windows;
    this.kernel = kernel;
    this.windowRows = new WindowRows(context);
    this.pull = new PullTask(context, kernel, windowRows);
    this.rowBytes = context.spec.hidden() * 2L;
    boolean alone = context.network == null;
    this.nodes = alone ? null : new NodeCombine(context, kernel);
    this.nodeRows = alone ? null : new NodeWindowRows(context);
  }

  void reserve(CombineCall call) {
    context.checkUsable();
    call.window = windows.claim(call.y);
  }

  void combine(CombineCall call) {
    int workers = context.workers(call.config.numSms());
    int window = firstWindow(call);
    stageAndEnter(call, window, 0, workers);
    int rounds = context.protocol.rounds(call.handle);
    context.stats.start(workers, Math.min(4, call.config.stages()), rounds);
    if (nodes != null) {
      combineOverNodes(call, window, workers);
    } else if (rounds == 1) {
      combineAtOnce(call, window, workers);
    } else {
      combineInRounds(call, window, workers);
    }
    count(call);
  }

  private void combineAtOnce(CombineCall call, int window, int workers) {
    windowRows.prepare(call.handle);
    try {
      sum(pull, call, workers);
      endRound(window);
    } finally {
      windowRows.clear();
    }
  }

  private void combineOverNodes(CombineCall call, int window, int workers) {
    context.stats.numWorkers = workers;
    if (context.stats.numRounds == 1) {
      nodeRows.prepare(call.handle);
      try {
        nodes.run(call, nodeRows, workers);
        endRound(window);
      } finally {
        nodeRows.clear();
      }
      return;
    }
    try (NodeGatheredRows gathered = new NodeGatheredRows(context, call.handle)) {
      for (int round = 0; round < context.stats.numRounds; round++) {
        int next = window;
        if (round > 0) {
          next = windows.acquire();
          stageAndEnter(call, next, round, workers);
        }
        gathered.gather(round);
        endRound(next);
      }
      nodes.run(call, gathered, workers);
    }
  }

  private void sum(PullTask task, CombineCall call, int workers) {
    try {
      task.prepare(call, workers);
      context.stats.numWorkers = Math.min(workers, task.numChunks());
      context.stats.numChunks += task.numChunks();
      context.pool.run(task, task.numChunks(), workers);
    } finally {
      task.clear();
    }
  }

  private void endRound(int window) {
    windows.publish(window);
    context.board.publishPulled(context.protocol.epoch());
  }

  private int firstWindow(CombineCall call) {
    return call.window >= 0 ? call.window : acquireOrRefuse();
  }

  private int acquireOrRefuse() {
    try {
      return windows.acquire();
    } catch (CrossdockException e) {
      if (context.protocol.abortedRank() < 0) {
        context.mine().refuse(e.getMessage());
        context.publish();
      }
      throw e;
    }
  }

  /// Makes the outputs readable by the peers. On any failure the window is withdrawn.
  private void stageAndEnter(CombineCall call, int window, int round, int workers) {
    try {
      stage(call, window, round, workers);
      enter(call, window, round);
    } catch (RuntimeException e) {
      windows.withdraw(window);
      throw e;
    }
  }

  /// Copies this round's rows, and the weights, into the window, unless they are there already.
  /// Outputs that fill a handed-out window all go in the first round.
  private void stage(CombineCall call, int window, int round, int workers) {
    long first = round * context.layout.rows;
    long rows = Math.clamp(call.handle.numRecvRows() - first, 0, context.layout.rows);
    long at = context.layout.output(window);
    if (call.window != window) {
      copy.from(Memory.of(call.y), first * call.y.pitchBytes(), call.y.pitchBytes())
          .to(context.pages[context.rank], at)
          .copy(rows, rowBytes, context.pool, workers);
    }
    long weightsAt = context.pages[context.rank].address() + at + context.layout.outputWeights;
    boolean staged = call.topkWeights == null || call.topkWeights.segment().address() == weightsAt;
    if (!staged) {
      long pitch = call.topkWeights.pitchBytes();
      copy.from(Memory.of(call.topkWeights), first * pitch, pitch)
          .to(context.pages[context.rank], at + context.layout.outputWeights)
          .copy(rows, call.topkWeights.rowBytes(), context.pool, 1);
    }
  }

  private void enter(CombineCall call, int window, int round) {
    call.fillEntry(context.mine(), window, context.layout.rows, round);
    context.mine().networkChunkRows = call.config.networkChunkRows();
    context.enter();
  }

  private void combineInRounds(CombineCall call, int first, int workers) {
    try (GatheredRows gathered = new GatheredRows(context, call.handle)) {
      gathered.gather(0);
      endRound(first);
      for (int round = 1; round < context.stats.numRounds; round++) {
        int window = windows.acquire();
        stageAndEnter(call, window, round, workers);
        gathered.gather(round);
        endRound(window);
      }
      sum(new PullTask(context, kernel, gathered), call, workers);
    }
  }

  private void count(CombineCall call) {
    SendPlan plan = call.handle.plan;
    context.stats.bytesRead = context.writtenRows(call.handle) * rowBytes;
    context.stats.bytesWritten = plan.numTokens() * rowBytes;
    context.stats.wireBytes = (context.nearRows(plan) - plan.count(context.rank)) * rowBytes;
    context.stats.networkBytes = nodes == null ? 0 : nodes.bytes();
  }
}
