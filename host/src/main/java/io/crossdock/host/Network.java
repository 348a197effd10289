package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.crossdock.core.CrossdockException;
import io.crossdock.core.PeerLeftException;
import io.crossdock.core.WaitTimeoutException;
import io.crossdock.core.protocol.NodePlace;
import io.crossdock.core.spi.Pieces;
import io.crossdock.core.spi.Transport;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntPredicate;

/// One rank's way to ranks of other nodes: a transport, the lock that its users share, and a thread
/// that makes progress while no call does. Offsets mean the same in the memory of every rank.
///
/// What a rank publishes in cells of its own is mirrored in the memory of each far rank, so that it
/// is read there as if it were near.
///
/// Safe for any thread.
final class Network implements AutoCloseable {
  /// Room for the words of so many calls: few are ever under way.
  private static final int CALLS_OF_WORDS = 4;

  /// Operations to one peer above which rows for it wait, without the lock, and beats are left out.
  /// A transport has room for more, so that words find it.
  private static final int MOST_PENDING = 512;

  private static final long AWAIT_NANOS = 50_000_000;
  private static final long LINGER_NANOS = 300_000_000;
  private static final long RELEASE_NANOS = 2_000_000_000;

  private final NodePlace place;
  private final NodeMemory memory;
  private final NodeLayout layout;
  private final MemorySegment page;
  private final Pieces cells = new Pieces();
  private final long timeoutNanos;

  /// Copies of what goes before cells, until the network read them.
  private final MemorySegment words;

  private long wordBytes;
  private Transport transport;
  private NetworkThread thread;

  /// Of this transport alone: a thread that hangs inside the one before may keep that one's.
  private volatile NetworkLock lock;

  /// Threads of transports before that did not stop in time, or whose transport needs memory still.
  private final List<NetworkThread> late = new ArrayList<>();

  private volatile boolean connected;
  private volatile String broken;

  /// A network without a transport; [#use] gives it one.
  ///
  /// @param memory of this rank, which outlives the network
  /// @param timeout of every wait
  Network(NodePlace place, NodeMemory memory, Duration timeout) {
    this.place = place;
    this.memory = memory;
    this.layout = memory.layout();
    this.page = memory.page();
    this.timeoutNanos = timeout.toNanos();
    this.words = memory.map(CALLS_OF_WORDS * layout.mirrorBytes());
  }

  private void start(Transport fresh) {
    transport = fresh;
    broken = null;
    wordBytes = 0;
    // Whoever holds it waits for room no longer than one time-out.
    NetworkLock own = new NetworkLock(2 * timeoutNanos);
    thread = new NetworkThread("crossdock-net-" + place.rank(), fresh, own, this::breakDown);
    lock = own;
  }

  /// Goes on over another transport, which is to be connected; ends the one before, if any, at once
  /// or, if its thread does not stop, when that does. No call may be under way.
  ///
  /// @throws CrossdockException if the thread of the one before still runs, or that transport did
  ///   not let go of memory, so that peers may still put there; the other one is used all the same
  void use(Transport fresh) {
    try {
      end();
    } finally {
      start(fresh);
    }
  }

  /// Begins to connect to all far ranks, which do the same.
  ///
  /// @param offers of all ranks
  void connect(byte[][] offers) {
    for (int peer = 0; peer < place.numRanks(); peer++) {
      if (!place.isNear(peer)) {
        transport.connect(peer, offers[peer]);
      }
    }
  }

  /// Waits until all far ranks are connected, and starts the thread.
  void awaitConnected() {
    long start = System.nanoTime();
    for (int peer = nextUnconnected(); peer >= 0; peer = nextUnconnected()) {
      String failure = transport.failure(peer);
      if (failure != null) {
        throw new PeerLeftException(
            "peer cannot be reached: rank="
                + place.rank()
                + ", peer="
                + peer
                + ", cause="
                + failure);
      }
      long waited = System.nanoTime() - start;
      if (waited > timeoutNanos) {
        throw new WaitTimeoutException(
            new WaitTimeoutException.Facts(place.rank(), peer, "CONNECT", 1, 0, waited));
      }
      if (!transport.progress()) {
        transport.await(Math.min(AWAIT_NANOS, timeoutNanos - waited));
      }
    }
    connected = true;
    thread.start();
  }

  private int nextUnconnected() {
    for (int peer = 0; peer < place.numRanks(); peer++) {
      if (!place.isNear(peer) && !transport.isConnected(peer)) {
        return peer;
      }
    }
    return -1;
  }

  /// {@return memory of zeros that may be put from; it stays as long as a transport may read it}
  ///
  /// @param bytes its size
  MemorySegment map(long bytes) {
    return memory.map(bytes);
  }

  String description() {
    return transport.description();
  }

  /// Tells all far ranks what this rank published in its own cells; pairs with a load of the cell
  /// there.
  ///
  /// @param body what goes before the cell, in this rank's cells
  /// @param bytes of the body; may be 0
  /// @param cell told last
  void mirror(long body, long bytes, long cell, long value) {
    mirror(body, bytes, cell, value, _ -> true);
  }

  /// The same for some far ranks, which waits for those alone. Whoever is left out may still be
  /// sent earlier words with a body that changed meanwhile, so it must not read them.
  ///
  /// @param needs says who is told
  void mirror(long body, long bytes, long cell, long value, IntPredicate needs) {
    long start = System.nanoTime();
    while (!tryMirror(body, bytes, cell, value, needs)) {
      long waited = System.nanoTime() - start;
      if (waited > timeoutNanos) {
        throw new WaitTimeoutException(unsent(needs, waited));
      }
      Thread.yield();
    }
  }

  /// Tells some far ranks what this rank published in a cell, as [#mirror(long, long, long, long)]
  /// tells all.
  ///
  /// @param needs says who is told
  void mirror(long cell, long value, IntPredicate needs) {
    lock.lock();
    try {
      for (int peer = 0; peer < place.numRanks(); peer++) {
        if (!place.isNear(peer) && needs.test(peer)) {
          tell(peer, cell, 0, cell, value);
        }
      }
    } finally {
      lock.unlock();
    }
  }

  /// Tells some far ranks what this rank published in a cell, but for those that took in little of
  /// what they were told before: what is told may be left out, since more of it will follow.
  ///
  /// @param needs says who is told
  void mirrorIfRoom(long cell, long value, IntPredicate needs) {
    lock.lock();
    try {
      for (int peer = 0; peer < place.numRanks(); peer++) {
        if (!place.isNear(peer) && needs.test(peer) && transport.pending(peer) <= MOST_PENDING) {
          tell(peer, cell, 0, cell, value);
        }
      }
    } finally {
      lock.unlock();
    }
  }

  /// @return false if words before still take all room for words
  private boolean tryMirror(long body, long bytes, long cell, long value, IntPredicate needs) {
    lock.lock();
    try {
      if (!hasRoom(bytes, needs)) {
        progress();
        return false;
      }
      if (bytes > Long.BYTES) {
        MemorySegment.copy(page, body, words, wordBytes, bytes);
        cells.clear().add(words, wordBytes, bytes);
        wordBytes += bytes;
      }
      for (int peer = 0; peer < place.numRanks(); peer++) {
        if (!place.isNear(peer) && needs.test(peer)) {
          tell(peer, body, bytes, cell, value);
        }
      }
      return true;
    } finally {
      lock.unlock();
    }
  }

  /// Cells may be published anew while the network still reads, so what it reads is a copy.
  private boolean hasRoom(long bytes, IntPredicate needs) {
    if (wordBytes > 0 && firstSending(needs) < 0) {
      wordBytes = 0;
    }
    return bytes <= Long.BYTES || wordBytes + bytes <= words.byteSize();
  }

  /// There is nobody to tell where a reset failed to connect.
  private void tell(int peer, long body, long bytes, long cell, long value) {
    if (!connected) {
      return;
    }
    long mirror = layout.mirror(place.rank());
    if (bytes == Long.BYTES) {
      transport.signal(peer, mirror + body, page.get(JAVA_LONG, body));
    } else if (bytes > 0) {
      transport.put(peer, mirror + body, cells);
    }
    transport.signal(peer, mirror + cell, value);
  }

  /// Writes to a far rank; see [Transport#put].
  void put(int peer, long remoteOffset, Pieces pieces) {
    lock.lock();
    try {
      transport.put(peer, remoteOffset, pieces);
    } finally {
      lock.unlock();
    }
  }

  /// Stores a number at a far rank, behind what was put there; see [Transport#signal].
  void signal(int peer, long remoteOffset, long value) {
    lock.lock();
    try {
      transport.signal(peer, remoteOffset, value);
    } finally {
      lock.unlock();
    }
  }

  /// {@return operations that still need their source}
  int pending() {
    lock.lock();
    try {
      return transport.pending();
    } finally {
      lock.unlock();
    }
  }

  /// {@return operations to a far rank that still need their source}
  int pending(int peer) {
    lock.lock();
    try {
      return transport.pending(peer);
    } finally {
      lock.unlock();
    }
  }

  /// {@return bytes to a far rank that one operation carries; see [Transport#operationBytes]}
  long operationBytes(int peer) {
    lock.lock();
    try {
      return transport.operationBytes(peer);
    } finally {
      lock.unlock();
    }
  }

  /// {@return true if a far rank took in so little that what goes there had better wait}
  boolean isFull(int peer) {
    return pending(peer) > MOST_PENDING;
  }

  /// {@return the first far rank to which operations still need their source, or -1}
  ///
  /// @param counts says who counts
  int nextSending(IntPredicate counts) {
    lock.lock();
    try {
      return firstSending(counts);
    } finally {
      lock.unlock();
    }
  }

  private int firstSending(IntPredicate counts) {
    for (int peer = 0; peer < place.numRanks(); peer++) {
      if (!place.isNear(peer) && counts.test(peer) && transport.pending(peer) > 0) {
        return peer;
      }
    }
    return -1;
  }

  /// {@return what to say of a wait for operations to leave that took too long: the first rank that
  /// takes nothing in, and how many operations there are for it; no peer and 0 if all left by now}
  ///
  /// @param counts says who counts
  WaitTimeoutException.Facts unsent(IntPredicate counts, long waited) {
    int peer = nextSending(counts);
    int named = peer < 0 ? WaitTimeoutException.Facts.UNKNOWN : peer;
    long left = peer < 0 ? 0 : pending(peer);
    return new WaitTimeoutException.Facts(place.rank(), named, Phase.SENT.name(), 0, left, waited);
  }

  /// Returns once the network needs nothing of what was put: the call failed, and the caller's
  /// memory may go. Who takes nothing in for so long is given up, and cannot be reached any more.
  void release() {
    if (isQuietWithin(Math.min(timeoutNanos, RELEASE_NANOS))) {
      return;
    }
    lock.lock();
    try {
      for (int peer = 0; peer < place.numRanks(); peer++) {
        if (!place.isNear(peer) && transport.pending(peer) > 0) {
          transport.giveUp(
              peer,
              "peer took nothing in after a call failed: rank=%d, peer=%d"
                  .formatted(place.rank(), peer));
        }
      }
    } finally {
      lock.unlock();
    }
    isQuietWithin(RELEASE_NANOS);
  }

  private boolean isQuietWithin(long nanos) {
    long start = System.nanoTime();
    while (pending() > 0 && System.nanoTime() - start < nanos) {
      if (!poll()) {
        Thread.yield();
      }
    }
    return pending() == 0;
  }

  /// Makes progress, unless another thread does.
  ///
  /// @return true if something moved
  boolean poll() {
    if (!lock.tryLock()) {
      return false;
    }
    try {
      return progress();
    } finally {
      lock.unlock();
    }
  }

  private boolean progress() {
    try {
      return transport.progress();
    } catch (RuntimeException e) {
      breakDown(e);
      return false;
    }
  }

  /// Nobody can be reached any more; what is under way is to end all the same.
  private void breakDown(RuntimeException cause) {
    if (broken == null) {
      broken = "transport failed: rank=" + place.rank() + ", cause=" + cause;
      for (int peer = 0; peer < place.numRanks(); peer++) {
        if (!place.isNear(peer)) {
          transport.giveUp(peer, broken);
        }
      }
    }
  }

  /// {@return true if a far rank cannot be reached any more}
  boolean hasLost() {
    for (int peer = 0; peer < place.numRanks(); peer++) {
      if (!place.isNear(peer) && failure(peer) != null) {
        return true;
      }
    }
    return false;
  }

  /// {@return why a far rank cannot be reached any more; null while it can}
  String failure(int peer) {
    if (broken != null) {
      return broken;
    }
    if (!connected) {
      return "network is not connected: rank=" + place.rank() + ", peer=" + peer;
    }
    lock.lock();
    try {
      return transport.failure(peer);
    } finally {
      lock.unlock();
    }
  }

  /// Tells that a call waits, and so polls, or does no longer.
  void callWaits(boolean waits) {
    thread.callWaits(waits);
  }

  /// Gives last words time to leave, bounded: far ranks may still need them.
  ///
  /// @param board tells who leaves too, and so needs nothing more
  void linger(Board board) {
    long start = System.nanoTime();
    while (System.nanoTime() - start < LINGER_NANOS && (pending() > 0 || isNeeded(board))) {
      poll();
      Thread.yield();
    }
  }

  private boolean isNeeded(Board board) {
    for (int peer = 0; peer < place.numRanks(); peer++) {
      boolean needs = !place.isNear(peer) && failure(peer) == null && board.isRunning(peer);
      if (needs) {
        return true;
      }
    }
    return false;
  }

  /// Closes the transport, at once or, if its thread does not stop, when that does.
  ///
  /// @throws CrossdockException if a thread still runs, or a transport did not let go of memory,
  ///   also one before: this rank's memory must stay
  @Override
  public void close() {
    end();
    for (NetworkThread before : late) {
      before.awaitEnd();
      requireLetGo(before);
    }
  }

  private void end() {
    connected = false;
    if (thread == null) {
      return;
    }
    late.add(thread);
    try {
      thread.end();
    } catch (CrossdockException e) {
      // It may hang inside the transport and hold the lock.
      thread.closeAtEnd();
      throw e;
    }
    lock.lock();
    try {
      thread.close();
    } finally {
      lock.unlock();
    }
    requireLetGo(thread);
    late.remove(thread);
  }

  private void requireLetGo(NetworkThread ended) {
    if (!ended.hasLetGo()) {
      throw new CrossdockException(
          "network did not let go of memory: rank=" + place.rank() + ", bytes=" + page.byteSize());
    }
  }
}
