package io.crossdock.cuda;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.crossdock.core.protocol.LowLatencyState;
import io.crossdock.core.protocol.PeerState;
import io.crossdock.core.protocol.Rejoin;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.function.IntConsumer;
import java.util.function.IntSupplier;

/// Masks of a rank, and the handshake by which ranks come back. The hosts shake hands, with words
/// in device memory, since no kernel of the buffer runs meanwhile.
///
/// Confined to the thread that uses the buffer.
final class CudaRejoin {
  private final CudaContext context;
  private final LowLatencyMemory memory;
  private final LowLatencyGeometry geometry;
  private final Rejoin rejoin;
  private final Pacer pacer = new Pacer();
  private long generation;

  CudaRejoin(CudaContext context, LowLatencyMemory memory) {
    this.context = context;
    this.memory = memory;
    this.geometry = context.geometry.lowLatency;
    this.rejoin = new Rejoin(context.rank, context.numRanks);
  }

  /// The generation of calls made now.
  long generation() {
    return generation;
  }

  void mask(int peer) {
    put(memory.masks + peer * (long) Long.BYTES, 1);
    tellMasked(peer, true);
  }

  private void tellMasked(int peer, boolean masked) {
    long at = context.links.address(peer) + geometry.maskedBy + own(Long.BYTES);
    put(at, masked ? 1 : 0);
  }

  /// Where this rank's part of an array begins.
  private long own(long pitch) {
    return context.rank * pitch;
  }

  private void put(long at, long word) {
    putPair(at, word, null);
  }

  private void putPair(long at, long first, Long second) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment words = arena.allocate(JAVA_LONG, second == null ? 1 : 2);
      words.setAtIndex(JAVA_LONG, 0, first);
      if (second != null) {
        words.setAtIndex(JAVA_LONG, 1, second);
      }
      context.control.upload(words, at);
    }
  }

  void run(boolean[] absent) {
    long mine = LowLatencyState.generation(memory.epoch(context.control));
    publishKnock(mine, rejoin.begin(mine, absent));
    try {
      await(this::lookForKnocks, rejoin::nextAbsent, rejoin::leaveOut);
      acknowledge();
      await(this::lookForAcks, rejoin::nextSilent, rejoin::leaveOut);
      restart(rejoin.end(), rejoin.absent());
    } finally {
      publishKnock(mine, 0);
    }
  }

  private void publishKnock(long generation, long knock) {
    for (int peer = 0; peer < context.numRanks; peer++) {
      long at = context.links.address(peer) + geometry.knocks + own(2L * Long.BYTES);
      putPair(at, generation, knock);
    }
  }

  /// A rank that was acknowledged may send at once, and must not find that it is masked.
  private void acknowledge() {
    for (int peer = 0; peer < context.numRanks; peer++) {
      long knock = rejoin.knockOf(peer);
      if (knock != 0) {
        tellMasked(peer, false);
        long at = context.links.address(peer) + geometry.acks + own(2L * Long.BYTES);
        putPair(at, rejoin.proposes(), knock);
      }
    }
  }

  private void lookForKnocks() {
    long[] words = read(geometry.knocks, 2 * context.numRanks);
    for (int peer = 0; peer < context.numRanks; peer++) {
      if (words[2 * peer + 1] != 0) {
        rejoin.observeKnock(peer, words[2 * peer + 1], words[2 * peer]);
      }
    }
  }

  private void lookForAcks() {
    long[] words = read(geometry.acks, 2 * context.numRanks);
    for (int peer = 0; peer < context.numRanks; peer++) {
      rejoin.observeAck(peer, words[2 * peer + 1], words[2 * peer]);
    }
  }

  private long[] read(long array, int numWords) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment words = arena.allocate(JAVA_LONG, numWords);
      context.control.download(context.links.address(context.rank) + array, words);
      return words.toArray(JAVA_LONG);
    }
  }

  private void await(Runnable look, IntSupplier next, IntConsumer giveUp) {
    pacer.begin();
    look.run();
    while (next.getAsInt() >= 0) {
      boolean over = pacer.waitedNanos() > context.spec.hostTimeout().toNanos();
      long[] states = read(context.geometry.states, context.numRanks);
      for (int peer = 0; peer < context.numRanks; peer++) {
        checkAborted(peer, states[peer]);
        boolean gone = states[peer] == PeerState.LEAVING.ordinal() || !context.links.isAlive(peer);
        if (peer == next.getAsInt() && (over || gone)) {
          giveUp.accept(peer);
        }
      }
      pacer.pause();
      look.run();
    }
  }

  private void checkAborted(int peer, long state) {
    if (state == PeerState.ABORTED.ordinal()) {
      context.health.noteAbort(peer, context.control.reason(peer));
      context.health.checkUsable();
    }
  }

  /// Starts a generation.
  void restart(long next, boolean[] absent) {
    generation = next;
    long epoch = LowLatencyState.first(next);
    memory.restart(context.control, epoch, absent);
    for (int peer = 0; peer < context.numRanks; peer++) {
      long to = context.links.address(peer);
      if (absent[peer]) {
        tellMasked(peer, true);
      }
      put(to + geometry.completed + own(Long.BYTES), epoch);
    }
  }
}
