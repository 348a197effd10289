package io.crossdock.ucx;

import io.crossdock.core.spi.Pieces;
import io.crossdock.core.spi.Transport;
import io.crossdock.core.spi.TransportSettings;
import io.crossdock.ucx.binding.Context;
import io.crossdock.ucx.binding.Status;
import io.crossdock.ucx.binding.Worker;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.security.SecureRandom;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;

/// The transport of one rank and mode: a context of UCX with settings of its own, one worker, an
/// endpoint to each peer.
///
/// Confined to one thread at a time; [#await], [#wake] and [#failure] are safe for any.
final class UcxTransport implements Transport, Room {
  /// Operations to one peer that may be under way: two low-latency calls to a peer that stopped
  /// hold nobody up.
  static final int SLOTS_A_PEER = 1024;

  /// What is under way is looked at after so many calls in which UCX told of nothing.
  private static final int QUIET_CALLS = 32;

  /// Without a worker that two threads may use, a wait looks again that often.
  private static final long UNARMED_WAIT_NANOS = 50_000;

  private static final int SPINS_BEFORE_YIELD = 100;
  private static final long NANOS_A_MILLI = 1_000_000;

  private final TransportSettings settings;
  private final ModeSettings modeSettings;
  private final MemorySegment region;
  private final PutsKind kind;
  private final long messageBytes;
  private final Traffic traffic = new Traffic();
  private final Arena arena;
  private final Peer[] peers;
  private final Inbox inbox;
  private final Context context;
  private final Worker worker;
  private final Fence fence;
  private final Handles handles;
  private final AtomicBoolean woken = new AtomicBoolean();
  private final AtomicInteger numWaiting = new AtomicInteger();
  private final Shutdown shutdown;

  private boolean closed;
  private boolean letGo;
  private boolean failureIsNew;
  private int quietCalls;

  private UcxTransport(TransportSettings settings, MemorySegment region) {
    this.settings = settings;
    this.region = region;
    modeSettings = ModeSettings.of(settings);
    kind = modeSettings.puts();
    peers = makePeers(settings.numRanks());
    inbox = new Inbox(region, peers, traffic, this);
    long wanted = modeSettings.messageBytes();
    handles = Handles.open(modeSettings, kind, settings.numRanks(), region, inbox);
    arena = handles.arena();
    context = handles.context();
    worker = handles.worker();
    messageBytes = Math.min(wanted, handles.segmentBytes());
    fence = new Fence(worker);
    shutdown = new Shutdown(worker, peers, arena);
  }

  /// Opens a transport.
  ///
  /// @throws IllegalArgumentException if settings or region cannot be
  static UcxTransport open(TransportSettings settings, MemorySegment region) {
    if (!region.isNative() || region.isReadOnly() || region.address() % Long.BYTES != 0) {
      throw new IllegalArgumentException(
          "region must be native, writable, 8-aligned: region=" + region);
    }
    Objects.checkIndex(settings.rank(), settings.numRanks());
    return new UcxTransport(settings, region);
  }

  private static Peer[] makePeers(int numRanks) {
    SecureRandom random = new SecureRandom();
    Peer[] peers = new Peer[numRanks];
    for (int rank = 0; rank < numRanks; rank++) {
      peers[rank] = new Peer(rank, random.nextLong());
    }
    return peers;
  }

  @Override
  public String description() {
    return "UCX "
        + Context.version()
        + ", mode="
        + modeSettings.word()
        + ", puts="
        + kind.word()
        + (kind.isRma() ? "" : ", messageBytes=" + messageBytes);
  }

  @Override
  public byte[] offer() {
    long[] tokens = new long[peers.length];
    for (int rank = 0; rank < peers.length; rank++) {
      tokens[rank] = peers[rank].tokenFromThere;
    }
    byte[] key = kind.isRma() ? context.pack(handles.mapping()) : new byte[0];
    return new Offer(
            settings.mode(),
            kind,
            settings.rank(),
            region.address(),
            region.byteSize(),
            handles.segmentBytes(),
            worker.address(),
            key,
            tokens)
        .encode();
  }

  @Override
  public void connect(int rank, byte[] bytes) {
    Peer peer = peers[Objects.checkIndex(rank, peers.length)];
    if (peer.slots != null) {
      throw new IllegalStateException("peer is connected already: peer=" + rank);
    }
    Offer offer = Offer.decode(bytes);
    check(offer, "rank", offer.rank(), rank);
    check(offer, "numRanks", offer.tokens().length, peers.length);
    check(offer, "mode", offer.mode(), settings.mode());
    check(offer, "puts", offer.kind().word(), kind.word());
    peer.tokenForThere = offer.tokens()[settings.rank()];
    peer.regionAddress = offer.regionAddress();
    peer.regionBytes = offer.regionBytes();
    peer.endpoint = worker.connect(rank, offer.workerAddress());
    peer.slots = new Slots(SLOTS_A_PEER, arena, traffic);
    // The peer takes in no more at once than one segment of its own.
    long mostBytes = Math.min(messageBytes, offer.segmentBytes());
    peer.messages = new MessageSender(peer, this, traffic, settings.rank(), mostBytes);
    peer.puts = peer.messages;
    if (kind.isRma()) {
      peer.key = peer.endpoint.unpack(offer.key());
      peer.puts = new PutSender(peer, this, traffic, fence);
    }
    peer.messages.tell(Frame.HELLO, 0, 0);
  }

  private void check(Offer offer, String what, Object seen, Object expected) {
    if (!seen.equals(expected)) {
      throw new IllegalArgumentException(
          "offer does not fit: peer="
              + offer.rank()
              + ", "
              + what
              + "="
              + seen
              + ", expected="
              + expected);
    }
  }

  @Override
  public boolean isConnected(int rank) {
    return peers[rank].isConnected();
  }

  @Override
  public void put(int rank, long remoteOffset, Pieces pieces) {
    Peer peer = connected(rank, remoteOffset, pieces.byteSize());
    if (peer.isAlive()) {
      peer.puts.put(remoteOffset, pieces);
    }
  }

  @Override
  public void signal(int rank, long remoteOffset, long value) {
    Peer peer = connected(rank, remoteOffset, Long.BYTES);
    if (remoteOffset % Long.BYTES != 0) {
      throw new IllegalArgumentException(
          "signal is not aligned: peer=" + rank + ", remoteOffset=" + remoteOffset);
    }
    if (peer.isAlive()) {
      peer.puts.signal(remoteOffset, value);
    }
  }

  private Peer connected(int rank, long remoteOffset, long bytes) {
    Peer peer = peers[rank];
    if (peer.slots == null || closed) {
      throw new IllegalStateException(
          "peer is not connected: rank=" + settings.rank() + ", peer=" + rank);
    }
    Objects.checkFromIndexSize(remoteOffset, bytes, peer.regionBytes);
    return peer;
  }

  @Override
  public int pending() {
    return traffic.pending;
  }

  @Override
  public int pending(int rank) {
    Slots slots = peers[rank].slots;
    return slots == null ? 0 : slots.numTaken();
  }

  @Override
  public long operationBytes(int rank) {
    return kind.isRma() ? Long.MAX_VALUE : peers[rank].messages.mostBytes();
  }

  @Override
  public void giveUp(int rank, String reason) {
    Peer peer = peers[rank];
    if (!closed && peer.isAlive()) {
      fail(peer, reason);
    }
  }

  @Override
  public boolean progress() {
    if (closed) {
      return false;
    }
    boolean moved = pushAll();
    moved |= step();
    if (failureIsNew) {
      failureIsNew = false;
      shutdown.giveUpFailed(settings.timeout());
    }
    return moved;
  }

  private boolean pushAll() {
    boolean moved = false;
    for (Peer peer : peers) {
      if (peer.slots == null || !peer.isAlive()) {
        continue;
      }
      moved |= peer.puts.push();
      if (peer.welcomeDue) {
        peer.welcomeDue = false;
        peer.messages.tell(Frame.WELCOME, 0, 0);
      }
    }
    return moved;
  }

  /// Progress of UCX, and of what is under way.
  private boolean step() {
    boolean moved = worker.progress();
    Throwable thrown = inbox.takeError();
    if (thrown != null) {
      throw new IllegalStateException("message could not be taken in", thrown);
    }
    if (moved || ++quietCalls == QUIET_CALLS) {
      quietCalls = 0;
      if (traffic.underWay > 0) {
        reap();
      }
    }
    return moved;
  }

  private void reap() {
    for (Peer peer : peers) {
      if (peer.slots == null || peer.slots.numUnderWay() == 0) {
        continue;
      }
      byte status = peer.slots.reap();
      if (status != Status.OK) {
        fail(peer, Failures.lost(peer, status));
      }
    }
  }

  @Override
  public void awaitFree(Peer peer) {
    long start = System.nanoTime();
    long bound = settings.timeout().toNanos();
    int spins = 0;
    while (!peer.slots.hasFree() && peer.isAlive()) {
      if (step()) {
        spins = 0;
        continue;
      }
      long waited = System.nanoTime() - start;
      if (waited > bound) {
        fail(peer, Failures.stuck(peer, waited / NANOS_A_MILLI));
      } else if (++spins < SPINS_BEFORE_YIELD) {
        Thread.onSpinWait();
      } else {
        Thread.yield();
      }
    }
  }

  @Override
  public void fail(Peer peer, String reason) {
    peer.fail(reason);
    failureIsNew = true;
    if (peer.puts != null) {
      peer.puts.drop();
    }
  }

  @Override
  public void await(long nanos) {
    numWaiting.incrementAndGet();
    try {
      if (woken.getAndSet(false)) {
        return;
      }
      if (!worker.isShared()) {
        handles.event().await(Math.min(nanos, UNARMED_WAIT_NANOS));
      } else if (worker.arm()) {
        handles.event().await(nanos);
      }
      woken.set(false);
    } finally {
      numWaiting.decrementAndGet();
    }
  }

  @Override
  public void wake() {
    woken.set(true);
    if (numWaiting.get() > 0) {
      handles.event().raise();
    }
  }

  @Override
  public String failure(int rank) {
    return peers[rank].failure();
  }

  @Override
  public long sentBytes() {
    return traffic.sentBytes;
  }

  Traffic traffic() {
    return traffic;
  }

  /// A message that cannot be taken in is not needed any more.
  private boolean progressAtEnd() {
    try {
      return progress();
    } catch (IllegalStateException _) {
      return true;
    }
  }

  @Override
  public void close() {
    if (closed) {
      return;
    }
    shutdown.sayFarewell(this::progressAtEnd, traffic, settings.timeout());
    closed = true;
    boolean isQuiet = shutdown.closeEndpoints(settings.timeout());
    handles.event().close();
    // What a peer or UCX may still read stays until the process ends.
    if (isQuiet) {
      handles.close();
      letGo = true;
    }
  }

  @Override
  public boolean hasLetGo() {
    return letGo;
  }
}
