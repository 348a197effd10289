package io.crossdock.verify.network;

import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import io.crossdock.core.InvalidInputException;
import io.crossdock.core.Mode;
import io.crossdock.core.spi.Pieces;
import io.crossdock.core.spi.Transport;
import io.crossdock.core.spi.TransportSettings;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BiConsumer;

/// A transport between threads of one process that does whatever [Transport] allows: it delays,
/// tears, reorders, reads source bytes early or late. It refuses callers that do what it forbids,
/// and [Weather] knows of them afterwards. It allocates nothing once its memory grew.
///
/// Confined as [Transport] says, which is checked.
final class WeatherTransport implements Transport {
  private static final int HEADER_BYTES = 16;
  private static final Duration LONGEST_CLOSE = Duration.ofSeconds(2);
  private static final long POLL_NANOS = 50_000;
  private static final long THREAD_POLL_NANOS = 1_000_000;
  private static final long OFFER_MAGIC = 0x7765_6174_6865_7231L;

  private final long id;
  private final TransportSettings settings;
  private final Forecast forecast;
  private final WeatherInbox inbox;
  private final WeatherTransport[] peers;
  private final AtomicReferenceArray<String> failures;
  private final SplittableRandom random;
  private final CallerCheck check;

  /// Parts for each peer that landed, which this rank has not noticed.
  private final AtomicInteger[] landed;

  private final BiConsumer<Integer, String> onEnd = this::fail;
  private final Thread network;
  private final int[] pending;

  /// Bytes sent to each peer.
  private final AtomicLongArray sentBytes;

  private volatile Thread waiter;
  private volatile boolean woken;
  private volatile boolean stopping;
  private volatile boolean clings;

  WeatherTransport(long id, TransportSettings settings, MemorySegment region, Forecast forecast) {
    int rank = settings.rank();
    int numRanks = settings.numRanks();
    this.id = id;
    this.settings = settings;
    this.forecast = forecast;
    this.random = new SplittableRandom(forecast.seed() * 1_000_003 + id * 64 + rank);
    this.inbox = new WeatherInbox(region, numRanks, random.split());
    this.peers = new WeatherTransport[numRanks];
    this.pending = new int[numRanks];
    this.sentBytes = new AtomicLongArray(numRanks);
    this.landed = new AtomicInteger[numRanks];
    Arrays.setAll(landed, _ -> new AtomicInteger());
    this.failures = new AtomicReferenceArray<>(numRanks);
    this.check = new CallerCheck("mode=" + settings.mode() + ", rank=" + rank);
    boolean remote = forecast.puts() == Forecast.Puts.REMOTE;
    this.network =
        remote ? Thread.ofPlatform().daemon().name("weather-" + rank).unstarted(this::carry) : null;
  }

  void start() {
    if (network != null) {
      network.start();
    }
  }

  /// What the network's thread does: lands what comes, until the transport closes.
  private void carry() {
    while (!stopping) {
      if (inbox.land() == 0) {
        long rest = inbox.nextDue() - System.nanoTime();
        LockSupport.parkNanos(Math.clamp(rest, 1, THREAD_POLL_NANOS));
      }
    }
  }

  TransportSettings settings() {
    return settings;
  }

  boolean isOf(Mode mode, int rank) {
    return settings.mode() == mode && settings.rank() == rank;
  }

  long sentSoFar() {
    long all = 0;
    for (int peer = 0; peer < peers.length; peer++) {
      all += sentSoFar(peer);
    }
    return all;
  }

  long sentSoFar(int peer) {
    return sentBytes.get(peer);
  }

  @Override
  public String description() {
    return "weather: puts=" + forecast.puts() + ", seed=" + forecast.seed();
  }

  @Override
  public byte[] offer() {
    byte[] offer = new byte[16];
    MemorySegment words = MemorySegment.ofArray(offer);
    words.set(JAVA_LONG_UNALIGNED, 0, OFFER_MAGIC);
    words.set(JAVA_LONG_UNALIGNED, 8, id);
    return offer;
  }

  @Override
  public void connect(int peer, byte[] offer) {
    check.enter("connect");
    try {
      requirePeer(peer);
      check.require(peers[peer] == null, "connected twice", peer, peers.length);
      MemorySegment words = MemorySegment.ofArray(offer);
      if (offer.length != 16 || words.get(JAVA_LONG_UNALIGNED, 0) != OFFER_MAGIC) {
        throw new InvalidInputException(
            "offer is not of this transport: peer=" + peer + ", bytes=" + offer.length);
      }
      WeatherTransport found = Weather.find(words.get(JAVA_LONG_UNALIGNED, 8));
      if (found == null) {
        fail(peer, "peer is closed");
        return;
      }
      check.require(found.isOf(settings.mode(), peer), "offer of another rank", peer, found.id);
      WeatherDelays delays = new WeatherDelays(random.split(), forecast.mostDelay());
      peers[peer] = found;
      WeatherLink link = new WeatherLink(settings.rank(), peer, landed[peer], delays);
      found.inbox.connect(settings.rank(), link, System.nanoTime());
      found.unpark();
    } finally {
      check.leave();
    }
  }

  @Override
  public boolean isConnected(int peer) {
    check.enter("isConnected");
    try {
      return isConnectedNow(peer);
    } finally {
      check.leave();
    }
  }

  private boolean isConnectedNow(int peer) {
    requirePeer(peer);
    return failures.get(peer) == null && isLinked(peer);
  }

  private boolean isLinked(int peer) {
    WeatherTransport other = peers[peer];
    return other != null && inbox.isConnected(peer) && other.inbox.isConnected(settings.rank());
  }

  private void requirePeer(int peer) {
    boolean right = peer >= 0 && peer < peers.length && peer != settings.rank();
    check.require(right, "not a peer", peer, peers.length);
  }

  @Override
  public void put(int peer, long remoteOffset, Pieces pieces) {
    check.enter("put");
    try {
      long bytes = pieces.byteSize();
      if (canReach(peer, remoteOffset, bytes)) {
        sentBytes.addAndGet(peer, bytes + HEADER_BYTES);
        pending[peer] += peers[peer].inbox.put(settings.rank(), remoteOffset, pieces, random);
        peers[peer].unpark();
      }
    } finally {
      check.leave();
    }
  }

  @Override
  public void signal(int peer, long remoteOffset, long value) {
    check.enter("signal");
    try {
      check.require(remoteOffset % 8 == 0, "signal is not aligned", remoteOffset, 8);
      if (canReach(peer, remoteOffset, 8)) {
        sentBytes.addAndGet(peer, 8 + HEADER_BYTES);
        peers[peer].inbox.signal(settings.rank(), remoteOffset, value);
        peers[peer].unpark();
      }
    } finally {
      check.leave();
    }
  }

  /// Checks where a put goes.
  ///
  /// @return false if the peer failed
  private boolean canReach(int peer, long offset, long bytes) {
    requirePeer(peer);
    WeatherTransport other = peers[peer];
    if (failures.get(peer) != null) {
      return false;
    }
    check.require(other != null, "put to a rank without a connection", peer, peers.length);
    long end = other.inbox.byteSize();
    check.require(offset >= 0 && offset + bytes <= end, "out of bounds", offset + bytes, end);
    if (other.inbox.isClosed()) {
      fail(peer, "peer is closed");
      return false;
    }
    check.require(isLinked(peer), "put before the connection is there", peer, peers.length);
    return true;
  }

  @Override
  public int pending() {
    check.enter("pending");
    try {
      return pendingNow();
    } finally {
      check.leave();
    }
  }

  int pendingNow() {
    int all = 0;
    for (int ofPeer : pending) {
      all += ofPeer;
    }
    return all;
  }

  @Override
  public int pending(int peer) {
    check.enter("pending");
    try {
      requirePeer(peer);
      return pending[peer];
    } finally {
      check.leave();
    }
  }

  @Override
  public void giveUp(int peer, String reason) {
    check.enter("giveUp");
    try {
      requirePeer(peer);
      fail(peer, reason);
      if (peers[peer] != null) {
        peers[peer].inbox.shut(settings.rank());
      }
    } finally {
      check.leave();
    }
  }

  @Override
  public boolean progress() {
    check.enter("progress");
    try {
      return progressNow();
    } finally {
      check.leave();
    }
  }

  private boolean progressNow() {
    boolean moved = false;
    for (int peer = 0; peer < pending.length; peer++) {
      int done = landed[peer].getAndSet(0);
      pending[peer] -= done;
      moved |= done > 0;
    }
    if (network == null && inbox.nextDue() - System.nanoTime() <= 0) {
      moved |= inbox.land() > 0;
    }
    inbox.forEachEnded(onEnd);
    if (moved) {
      for (WeatherTransport peer : peers) {
        if (peer != null) {
          peer.unparkIfLanded();
        }
      }
    }
    return moved;
  }

  @Override
  public void await(long nanos) {
    check.beginWait("await");
    try {
      waitFor(nanos);
    } finally {
      check.endWait();
    }
  }

  private void waitFor(long nanos) {
    long deadline = System.nanoTime() + nanos;
    waiter = Thread.currentThread();
    while (true) {
      long now = System.nanoTime();
      long due = network == null ? inbox.nextDue() : Long.MAX_VALUE;
      long rest = Math.min(due, deadline) - now;
      if (woken || hasLanded() || rest <= 0 || Thread.currentThread().isInterrupted()) {
        break;
      }
      LockSupport.parkNanos(rest);
    }
    waiter = null;
    woken = false;
  }

  @Override
  public void wake() {
    check.beginWait("wake");
    woken = true;
    unpark();
    check.endWait();
  }

  /// There may be something to do.
  private void unpark() {
    if (network != null) {
      LockSupport.unpark(network);
    }
    LockSupport.unpark(waiter);
  }

  private void unparkIfLanded() {
    if (hasLanded()) {
      LockSupport.unpark(waiter);
    }
  }

  private boolean hasLanded() {
    for (AtomicInteger ofPeer : landed) {
      if (ofPeer.get() > 0) {
        return true;
      }
    }
    return false;
  }

  @Override
  public String failure(int peer) {
    check.enter("failure");
    try {
      requirePeer(peer);
      return failures.get(peer);
    } finally {
      check.leave();
    }
  }

  @Override
  public long sentBytes() {
    check.enter("sentBytes");
    try {
      return sentSoFar();
    } finally {
      check.leave();
    }
  }

  private void fail(int peer, String reason) {
    failures.compareAndSet(peer, null, reason);
  }

  /// Cuts this rank off from a peer, if it is one of two.
  void cut(int rank, int peer) {
    int me = settings.rank();
    if (me == rank || me == peer) {
      int other = me == rank ? peer : rank;
      fail(other, "the line was cut");
      inbox.shut(other);
      unpark();
    }
  }

  /// Says from now on that memory is needed, also after close.
  void cling() {
    clings = true;
  }

  /// Holds back what comes here from a peer, if this is the receiver.
  void hold(int rank, int peer, boolean whether) {
    if (settings.rank() == peer) {
      inbox.hold(rank, whether);
      unpark();
    }
  }

  /// Waits until peers took in what this rank sent, no longer than bounded time, takes in what
  /// comes meanwhile, and loses the rest.
  @Override
  public void close() {
    if (!check.close()) {
      return;
    }
    Duration bound = settings.timeout();
    bound = bound.compareTo(LONGEST_CLOSE) < 0 ? bound : LONGEST_CLOSE;
    long deadline = System.nanoTime() + bound.toNanos();
    while (isSending() && System.nanoTime() < deadline) {
      if (!progressNow()) {
        LockSupport.parkNanos(POLL_NANOS);
      }
    }
    int rank = settings.rank();
    for (WeatherTransport peer : peers) {
      if (peer != null) {
        if (System.nanoTime() >= deadline) {
          peer.inbox.shut(rank);
        }
        peer.inbox.end(rank, "peer is closed");
        peer.unpark();
      }
    }
    stop();
    inbox.close();
    Weather.closed(id);
  }

  /// Nobody puts into a closed inbox.
  @Override
  public boolean hasLetGo() {
    check.require(check.isClosed(), "asked before close", 0, 1);
    return inbox.isClosed() && !clings;
  }

  private boolean isSending() {
    for (int peer = 0; peer < peers.length; peer++) {
      WeatherTransport other = peers[peer];
      if (other != null && failures.get(peer) == null && !other.inbox.isEmpty(settings.rank())) {
        return true;
      }
    }
    return false;
  }

  private void stop() {
    if (network == null) {
      return;
    }
    stopping = true;
    LockSupport.unpark(network);
    boolean interrupted = Thread.interrupted();
    while (network.isAlive()) {
      try {
        network.join();
      } catch (InterruptedException _) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
