package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.crossdock.core.protocol.Entry;
import io.crossdock.core.protocol.LowLatencyKind;
import io.crossdock.core.protocol.LowLatencyTerms;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;
import java.util.function.IntPredicate;

/// The cells and flag lines of low-latency mode. A rank publishes in its own memory, which is
/// mirrored on other nodes, but for flag lines, which a source writes in the memory of each
/// receiver.
///
/// Every `publish` is a release store and pairs with the acquire load of the method that reads it,
/// on another rank.
///
/// Reading is safe for any thread; each rank publishes on one thread at a time.
final class LowLatencyBoard {
  private static final VarHandle LONG = JAVA_LONG.varHandle();
  private static final int GENERATION = 0;
  private static final int KNOCK = 8;

  /// An acknowledgement is one word: the knock that it is for, and below it the peer's own.
  private static final int ACK_SHIFT = 32;

  private final LowLatencyLayout layout;
  private final MemorySegment[] pages;
  private final int rank;
  private final Lanes lanes;

  /// Null on one node.
  private final Network network;

  /// Who is told of each call. To a peer that takes nothing in, words would gather until there is
  /// no room left.
  private final IntPredicate living;

  private long completed;
  private long beat;

  /// @param lanes of this rank, whose pages are not used
  /// @param living tells whether a peer is not masked
  /// @param network null on one node
  LowLatencyBoard(HostContext context, Lanes lanes, IntPredicate living, Network network) {
    this.layout = context.layout.lowLatency;
    this.pages = context.pages;
    this.rank = context.rank;
    this.lanes = lanes;
    this.living = living;
    this.network = network;
  }

  private long load(int peer, long offset) {
    return (long) LONG.getAcquire(pages[peer], offset);
  }

  /// Publishes a cell of this rank, and what goes before it.
  private void publish(long body, long bytes, long cell, long value) {
    LONG.setRelease(pages[rank], cell, value);
    if (network != null) {
      network.mirror(body, bytes, cell, value);
    }
  }

  private void publish(long cell, long value) {
    publish(cell, 0, cell, value);
  }

  /// Publishes up to which call all are complete, to who is not masked; pairs with [#completed].
  void publishCompleted(long epoch) {
    completed = epoch;
    LONG.setRelease(pages[rank], layout.completed, epoch);
    if (network != null) {
      network.mirror(layout.completed, epoch, living);
    }
  }

  long completed(int peer) {
    return load(peer, layout.completed);
  }

  /// Publishes that this rank lives and waits, to near ranks; pairs with [#beat].
  void publishBeat() {
    LONG.setRelease(pages[rank], layout.beat, ++beat);
  }

  /// The same to far ranks.
  void publishFarBeat() {
    if (network != null) {
      network.mirrorIfRoom(layout.beat, beat, living);
    }
  }

  /// Publishes that all words before were told; pairs with [#load] of `drained`.
  void publishDrained(long mark) {
    publish(layout.drained, mark);
  }

  /// Publishes that nothing will follow; pairs with [#hasLeft].
  void publishLeft() {
    publishDrained(Long.MAX_VALUE);
  }

  /// {@return true if all that a leaving peer published in this mode is here}
  boolean hasLeft(int peer) {
    return load(peer, layout.drained) == Long.MAX_VALUE;
  }

  long beat(int peer) {
    return load(peer, layout.beat);
  }

  /// Publishes that this rank's call is invalid, to who is not masked; pairs with [#isRefused].
  void publishRefusal(long epoch, String reason) {
    long cell = layout.refusal(epoch);
    Board.putText(pages[rank], cell + 8, reason);
    LONG.setRelease(pages[rank], cell, epoch);
    if (network != null) {
      network.mirror(cell + 8, 8 + Entry.MAX_REASON_BYTES, cell, epoch, living);
    }
  }

  boolean isRefused(int peer, long epoch) {
    return load(peer, layout.refusal(epoch)) == epoch;
  }

  /// The reason of a refusal that was seen.
  String refusalReason(int peer, long epoch) {
    return Board.getText(pages[peer], layout.refusal(epoch) + 8);
  }

  /// Publishes that this rank masked a peer, or takes it back; pairs with [#masks]. A rank that was
  /// told that it is masked shows itself as masked, so that those who did not give it up yet do not
  /// wait for it: by then, others would give them up.
  void publishMask(int peer, boolean masked) {
    publish(layout.masks + peer * 8L, masked ? 1 : 0);
  }

  /// {@return true if a peer masked another rank}
  boolean masks(int peer, int other) {
    return load(peer, layout.masks + other * 8L) != 0;
  }

  /// Publishes that this rank is in a handshake, or with 0 that it is not; pairs with [#knock].
  void publishKnock(long knock, long generation) {
    pages[rank].set(JAVA_LONG, layout.knock + GENERATION, generation);
    publish(layout.knock + GENERATION, 8, layout.knock + KNOCK, knock);
  }

  long knock(int peer) {
    return load(peer, layout.knock + KNOCK);
  }

  /// The generation that goes with a knock that was seen.
  long knockGeneration(int peer) {
    return pages[peer].get(JAVA_LONG, layout.knock + GENERATION);
  }

  /// Publishes that a peer's knock was seen; pairs with [#ack].
  ///
  /// @param own the knock of this rank in the same handshake
  void publishAck(int peer, long knock, long own, long generation) {
    long cell = layout.acks + peer * 16L;
    pages[rank].set(JAVA_LONG, cell + GENERATION, generation);
    publish(cell + GENERATION, 8, cell + KNOCK, knock << ACK_SHIFT | own);
  }

  /// {@return what a peer acknowledged last, for [#acknowledged] and [#acknowledgedWith]}
  long ack(int peer) {
    return load(peer, layout.acks + rank * 16L + KNOCK);
  }

  /// {@return the knock of this rank that an acknowledgement is for}
  static long acknowledged(long ack) {
    return ack >>> ACK_SHIFT;
  }

  /// {@return the knock that the peer itself had shown}
  static long acknowledgedWith(long ack) {
    return ack & (1L << ACK_SHIFT) - 1;
  }

  /// The generation that goes with an acknowledgement that was seen.
  long ackGeneration(int peer) {
    return pages[peer].get(JAVA_LONG, layout.acks + rank * 16L + GENERATION);
  }

  /// Publishes to a receiver that all rows of a call are there; pairs with [#hasFlag]. The
  /// completed mark goes along: the receiver needs it for its next call, and so has it without
  /// taking another line from this rank.
  ///
  /// @param counts rows for each expert of the group, or null if the call has none
  void publishFlag(int receiver, long epoch, LowLatencyTerms terms, int[] counts) {
    MemorySegment page = lanes.at(receiver);
    long at = layout.flag(epoch, rank);
    page.set(JAVA_LONG, at + 8, terms.kind.ordinal());
    page.set(JAVA_LONG, at + 16, terms.format);
    page.set(JAVA_LONG, at + 24, terms.numExperts);
    page.set(JAVA_LONG, at + 32, terms.numMaxTokens);
    page.set(JAVA_LONG, at + 40, terms.handleEpoch);
    page.set(JAVA_LONG, at + 48, completed);
    int local = counts == null ? 0 : terms.numExperts / pages.length;
    if (local > 0) {
      long to = layout.flagCounts(epoch, rank);
      MemorySegment.copy(counts, receiver * local, page, JAVA_INT, to, local);
    }
    if (lanes.isNear(receiver)) {
      LONG.setRelease(page, at, epoch);
    } else {
      lanes.putFlag(receiver, epoch, LowLatencyLayout.flagBytes(local));
    }
  }

  /// {@return true if a source's flag of a call is here}
  boolean hasFlag(int source, long epoch) {
    return flag(source, epoch) == epoch;
  }

  long flag(int source, long epoch) {
    return load(rank, layout.flag(epoch, source));
  }

  /// Reads the terms of a flag that was seen.
  void readTerms(int source, long epoch, LowLatencyTerms terms) {
    MemorySegment page = pages[rank];
    long at = layout.flag(epoch, source);
    terms.kind = LowLatencyKind.of((int) page.get(JAVA_LONG, at + 8));
    terms.format = (int) page.get(JAVA_LONG, at + 16);
    terms.numExperts = (int) page.get(JAVA_LONG, at + 24);
    terms.numMaxTokens = (int) page.get(JAVA_LONG, at + 32);
    terms.handleEpoch = page.get(JAVA_LONG, at + 40);
  }

  /// {@return the completed mark that a source sent with a flag that was seen}
  long sentMark(int source, long epoch) {
    return pages[rank].get(JAVA_LONG, layout.flag(epoch, source) + 48);
  }

  /// Reads how many rows a source sent to each expert of this rank.
  void readCounts(int source, long epoch, int[] counts, int at, int numLocalExperts) {
    long from = layout.flagCounts(epoch, source);
    MemorySegment.copy(pages[rank], JAVA_INT, from, counts, at, numLocalExperts);
  }
}
