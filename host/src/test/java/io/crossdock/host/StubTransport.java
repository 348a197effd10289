package io.crossdock.host;

import io.crossdock.core.spi.Pieces;
import io.crossdock.core.spi.Transport;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.stream.IntStream;

/// A transport that is connected from the start and carries nothing; tells who used it.
///
/// Safe for any thread.
class StubTransport implements Transport {
  private static final int MAX_RANKS = 8;

  /// Counted down by the first wait.
  final CountDownLatch awaited = new CountDownLatch(1);

  /// Counted down by the first close.
  final CountDownLatch closed = new CountDownLatch(1);

  /// Threads that made progress.
  final Set<Thread> movers = ConcurrentHashMap.newKeySet();

  /// What is said to be under way to each peer.
  final AtomicIntegerArray pending = new AtomicIntegerArray(MAX_RANKS);

  /// Peers that were signalled, in order.
  final Queue<Integer> signalled = new ConcurrentLinkedQueue<>();

  /// Peers that something was put to, in order.
  final Queue<Integer> puts = new ConcurrentLinkedQueue<>();

  /// What one operation is said to carry.
  volatile long operationBytes = Long.MAX_VALUE;

  /// Whether nothing touches memory any more once this is closed.
  volatile boolean letsGo = true;

  private final Semaphore wakes = new Semaphore(0);
  private final String[] failures = new String[MAX_RANKS];

  /// {@return one that does not let go of memory}
  static StubTransport clinging() {
    StubTransport transport = new StubTransport();
    transport.letsGo = false;
    return transport;
  }

  @Override
  public String description() {
    return "stub";
  }

  @Override
  public byte[] offer() {
    return new byte[0];
  }

  @Override
  public void connect(int peer, byte[] offer) {}

  @Override
  public boolean isConnected(int peer) {
    return true;
  }

  @Override
  public void put(int peer, long remoteOffset, Pieces pieces) {
    puts.add(peer);
  }

  @Override
  public void signal(int peer, long remoteOffset, long value) {
    signalled.add(peer);
  }

  @Override
  public int pending() {
    return IntStream.range(0, MAX_RANKS).map(pending::get).sum();
  }

  @Override
  public int pending(int peer) {
    return pending.get(peer);
  }

  @Override
  public long operationBytes(int peer) {
    return operationBytes;
  }

  @Override
  public void giveUp(int peer, String reason) {
    failures[peer] = reason;
  }

  @Override
  public boolean progress() {
    movers.add(Thread.currentThread());
    return false;
  }

  @Override
  public void await(long nanos) {
    awaited.countDown();
    try {
      wakes.tryAcquire(nanos, TimeUnit.NANOSECONDS);
    } catch (InterruptedException _) {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public void wake() {
    wakes.release();
  }

  @Override
  public String failure(int peer) {
    return failures[peer];
  }

  @Override
  public long sentBytes() {
    return 0;
  }

  @Override
  public void close() {
    closed.countDown();
  }

  @Override
  public boolean hasLetGo() {
    return letsGo && closed.getCount() == 0;
  }
}
