package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.crossdock.core.protocol.CallKind;
import io.crossdock.core.protocol.Entry;
import io.crossdock.core.protocol.PeerState;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/// The cells and entries that ranks publish in their own shared memory and read in that of their
/// peers, or in the mirror of it if the peer is on another node. Marks that only near ranks need
/// are not mirrored.
///
/// Every `publish` is a release store and pairs with the acquire load of [#load] on another rank.
///
/// Reading is safe for any thread, and so is saying what this rank says of itself; all else each
/// rank publishes on one thread at a time.
final class Board {
  private static final VarHandle LONG = JAVA_LONG.varHandle();

  /// The cell of a rank's state also has the rank whose reason it is, from this bit on.
  private static final int ORIGIN_SHIFT = 32;

  private final WindowLayout layout;
  private final MemorySegment[] pages;
  private final int rank;

  /// Null on one node.
  private Network network;

  Board(WindowLayout layout, MemorySegment[] pages, int rank) {
    this.layout = layout;
    this.pages = pages;
    this.rank = rank;
  }

  /// Mirrors what is published from now on.
  void mirror(Network far) {
    network = far;
  }

  int rank() {
    return rank;
  }

  WindowLayout layout() {
    return layout;
  }

  /// Reads a cell of a peer; pairs with the publish methods.
  long load(int peer, long offset) {
    return (long) LONG.getAcquire(pages[peer], offset);
  }

  private void mirror(long body, long bytes, long cell, long value) {
    if (network != null) {
      network.mirror(body, bytes, cell, value);
    }
  }

  /// Publishes that all rows of an epoch are placed; pairs with [#load] of `finished`.
  void publishFinished(long epoch) {
    LONG.setRelease(pages[rank], layout.finished, epoch);
  }

  /// Publishes that all rows of an epoch were pulled; pairs with [#load] of `pulled`.
  void publishPulled(long epoch) {
    LONG.setRelease(pages[rank], layout.pulled, epoch);
  }

  /// Publishes what this rank says of itself, with a reason; pairs with [#state].
  void publishState(PeerState state, String reason) {
    publishState(state, rank, reason);
  }

  /// Publishes that a peer's word of an abort was heard, in that word's terms. Between nodes a rank
  /// may be cut off from the one that aborted, and wait for this one, which waits no longer. Does
  /// nothing on one node, where all read the same cells, nor if this rank said something itself.
  void passOn(int peer) {
    if (network != null && isRunning(rank)) {
      publishState(PeerState.ABORTED, origin(peer), reason(peer));
    }
  }

  private synchronized void publishState(PeerState state, int origin, String reason) {
    long word = state.ordinal() | (long) origin << ORIGIN_SHIFT;
    putText(pages[rank], layout.reason, reason);
    LONG.setRelease(pages[rank], layout.state, word);
    mirror(layout.reason, 8 + Entry.MAX_REASON_BYTES, layout.state, word);
  }

  /// Publishes that all words before were told; pairs with [#load] of `drained`.
  void publishDrained(long mark) {
    LONG.setRelease(pages[rank], layout.drained, mark);
    mirror(layout.drained, 0, layout.drained, mark);
  }

  boolean isRunning(int peer) {
    return state(peer) == PeerState.RUNNING;
  }

  PeerState state(int peer) {
    return switch ((int) load(peer, layout.state)) {
      case 0 -> PeerState.RUNNING;
      case 1 -> PeerState.LEAVING;
      default -> PeerState.ABORTED;
    };
  }

  /// {@return the rank that aborted, if a peer aborted or passed that on}
  int origin(int peer) {
    return (int) (load(peer, layout.state) >> ORIGIN_SHIFT);
  }

  String reason(int peer) {
    return getText(pages[peer], layout.reason);
  }

  /// Publishes this rank's entry of an epoch; pairs with [#load] of `slot(epoch)` and [#readEntry].
  void publishEntry(long epoch, Entry entry) {
    MemorySegment page = pages[rank];
    long slot = layout.slot(epoch);
    long at = slot + 8;
    page.set(JAVA_LONG, at, entry.kind.ordinal());
    page.set(JAVA_LONG, at + 8, entry.window);
    page.set(JAVA_LONG, at + 16, entry.capacityRows);
    page.set(JAVA_LONG, at + 24, entry.outputRows);
    page.set(JAVA_LONG, at + 32, entry.rowBytes);
    page.set(JAVA_LONG, at + 40, entry.scaleBytes);
    page.set(JAVA_LONG, at + 48, entry.topk);
    page.set(JAVA_LONG, at + 56, entry.indexBytes);
    page.set(JAVA_LONG, at + 64, entry.numExperts);
    page.set(JAVA_LONG, at + 72, entry.weights);
    page.set(JAVA_LONG, at + 80, entry.dtype);
    page.set(JAVA_LONG, at + 88, entry.handleEpoch);
    page.set(JAVA_LONG, at + 96, entry.round);
    page.set(JAVA_LONG, at + 104, entry.canRound);
    page.set(JAVA_LONG, at + 112, entry.networkChunkRows);
    if (entry.kind == CallKind.REFUSED) {
      putText(page, slot + layout.slotReason, entry.reason);
    }
    for (int i = 0; i < entry.rankCounts.length; i++) {
      page.set(JAVA_LONG, slot + layout.slotRankCounts + i * 8L, entry.rankCounts[i]);
    }
    if (entry.kind == CallKind.FRESH_DISPATCH) {
      MemorySegment.copy(
          entry.expertCounts, 0, page, JAVA_INT, slot + layout.slotExpertCounts, entry.numExperts);
    }
    LONG.setRelease(page, slot, epoch);
    mirror(at, layout.slotBytes - 8, slot, epoch);
  }

  /// Reads a peer's entry that was seen to be published. Of the expert counts only those of this
  /// rank's experts are read.
  void readEntry(int peer, long epoch, Entry entry) {
    MemorySegment page = pages[peer];
    long slot = layout.slot(epoch);
    long at = slot + 8;
    entry.kind = CallKind.of((int) page.get(JAVA_LONG, at));
    entry.window = (int) page.get(JAVA_LONG, at + 8);
    entry.capacityRows = page.get(JAVA_LONG, at + 16);
    entry.outputRows = page.get(JAVA_LONG, at + 24);
    entry.rowBytes = page.get(JAVA_LONG, at + 32);
    entry.scaleBytes = page.get(JAVA_LONG, at + 40);
    entry.topk = (int) page.get(JAVA_LONG, at + 48);
    entry.indexBytes = (int) page.get(JAVA_LONG, at + 56);
    entry.numExperts = (int) page.get(JAVA_LONG, at + 64);
    entry.weights = (int) page.get(JAVA_LONG, at + 72);
    entry.dtype = (int) page.get(JAVA_LONG, at + 80);
    entry.handleEpoch = page.get(JAVA_LONG, at + 88);
    entry.round = (int) page.get(JAVA_LONG, at + 96);
    entry.canRound = (int) page.get(JAVA_LONG, at + 104);
    entry.networkChunkRows = (int) page.get(JAVA_LONG, at + 112);
    entry.reason = entry.kind == CallKind.REFUSED ? getText(page, slot + layout.slotReason) : "";
    for (int i = 0; i < entry.rankCounts.length; i++) {
      entry.rankCounts[i] = page.get(JAVA_LONG, slot + layout.slotRankCounts + i * 8L);
    }
    if (entry.kind == CallKind.FRESH_DISPATCH) {
      int local = entry.numExperts / pages.length;
      long from = slot + layout.slotExpertCounts + (long) rank * local * 4;
      MemorySegment.copy(page, JAVA_INT, from, entry.expertCounts, rank * local, local);
    }
  }

  static void putText(MemorySegment page, long at, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    int length = Math.min(bytes.length, Entry.MAX_REASON_BYTES);
    MemorySegment.copy(bytes, 0, page, ValueLayout.JAVA_BYTE, at + 8, length);
    page.set(JAVA_LONG, at, length);
  }

  static String getText(MemorySegment page, long at) {
    int length = Math.clamp(page.get(JAVA_LONG, at), 0, Entry.MAX_REASON_BYTES);
    byte[] bytes = new byte[length];
    MemorySegment.copy(page, ValueLayout.JAVA_BYTE, at + 8, bytes, 0, length);
    return new String(Arrays.copyOf(bytes, length), StandardCharsets.UTF_8);
  }
}
