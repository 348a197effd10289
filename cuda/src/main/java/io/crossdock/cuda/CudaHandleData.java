package io.crossdock.cuda;

import io.crossdock.core.protocol.HandleData;
import io.crossdock.core.spi.DispatchCall;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.ref.Cleaner;

/// A handle whose contents lie on the GPU. What the host does not know yet is brought when it is
/// read.
///
/// Confined to the thread that runs the call until complete; then safe for any thread to read.
final class CudaHandleData extends HandleData {
  private static final Cleaner CLEANER = Cleaner.create();

  private final Control control;
  private final CallWait wait;
  private final Holder holder;
  private int numTokens;
  private volatile long ticket;
  private boolean captured;
  private boolean countsKnown;
  private volatile boolean epochKnown;
  private boolean sourcesKnown;

  /// Holds the device memory, so that it goes back when the handle is lost.
  private static final class Holder implements Runnable {
    private final HandleBlocks blocks;
    private HandleBlocks.Block block;

    Holder(HandleBlocks blocks) {
      this.blocks = blocks;
      this.block = blocks.take();
    }

    synchronized HandleBlocks.Block get() {
      return block;
    }

    synchronized void exchange(HandleBlocks.Block next) {
      blocks.giveBack(block);
      block = next;
    }

    @Override
    public synchronized void run() {
      blocks.giveBack(block);
    }
  }

  CudaHandleData(int rank, int numRanks, HandleBlocks blocks, Control control, CallWait wait) {
    super(rank, numRanks);
    this.control = control;
    this.wait = wait;
    this.holder = new Holder(blocks);
    CLEANER.register(this, holder);
  }

  /// Where the contents lie.
  HandleBlocks.Block block() {
    return holder.get();
  }

  /// Takes over what a fresh dispatch makes, in device memory of its own: until all ranks agreed,
  /// the old contents are good.
  ///
  /// @param filling ticket of the call; 0 if it is captured, and runs again with every replay
  synchronized void refill(HandleBlocks.Block block, DispatchCall call, long filling) {
    holder.exchange(block);
    numTokens = (int) call.x.size(0);
    topk = call.topkIdx == null ? 0 : (int) call.topkIdx.size(1);
    numExperts = call.layout.numExperts();
    worstRows = call.numWorstTokens;
    ticket = filling;
    captured = filling == 0;
    epoch = 0;
    countsKnown = false;
    epochKnown = false;
    sourcesKnown = false;
    if (worstRows > 0) {
      ensureExperts(0);
    }
  }

  /// The counts were given by [#setCounts], all that the host reads of most handles.
  ///
  /// @param epochOfCall the call's
  synchronized void countsCame(long epochOfCall) {
    epoch = epochOfCall;
    epochKnown = true;
    countsKnown = true;
  }

  /// The dispatch of a ticket is complete. Takes no lock: whoever tells holds that of the calls.
  void succeeded(long filled, long epochOfCall) {
    if (filled == ticket) {
      epoch = epochOfCall;
      epochKnown = true;
    }
  }

  /// True if the host knows all counts without asking the GPU.
  synchronized boolean areCountsKnown() {
    return countsKnown && !captured;
  }

  @Override
  public int numTokens() {
    return numTokens;
  }

  @Override
  public synchronized void materialise() {
    if (captured) {
      bringCounts();
      bringEpoch();
      return;
    }
    if (!countsKnown) {
      wait.join(ticket - 1, ticket);
      bringCounts();
      countsKnown = true;
    }
    if (!epochKnown) {
      bringEpoch();
      epochKnown = true;
    }
  }

  private void bringCounts() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment prefix = arena.allocate(ValueLayout.JAVA_LONG, (long) numRanks * numRanks);
      control.download(block().prefix(), prefix);
      Counts.putPrefix(prefix, new long[numRanks], this);
    }
  }

  private void bringEpoch() {
    epoch = control.readLong(block().epoch());
  }

  @Override
  public synchronized int sourceTokenIdx(int row) {
    if (captured || !sourcesKnown) {
      if (!captured) {
        wait.join(ticket - 1, ticket);
      }
      ensureSourceIndices();
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment sources = arena.allocate(ValueLayout.JAVA_INT, numRecvRows());
        control.download(block().sources(), sources);
        MemorySegment.copy(
            sources, ValueLayout.JAVA_INT, 0, sourceTokenIdx, 0, (int) numRecvRows());
      }
      sourcesKnown = true;
    }
    return sourceTokenIdx[row];
  }
}
