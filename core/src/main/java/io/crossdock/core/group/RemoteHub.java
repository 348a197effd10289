package io.crossdock.core.group;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/// The hub at the far end of a connection.
///
/// Safe for any thread; a thread of its own receives.
final class RemoteHub implements Hub {
  private static final int HOST = 0;
  private static final byte[] NOTHING = {};
  private static final Duration GOODBYE = Duration.ofSeconds(2);

  private final int size;
  private final FrameChannel channel;
  private final Thread receiver;
  private final List<byte[]> arrived = new ArrayList<>();
  private GroupPhase phase = GroupPhase.IDLE;
  private long sinceNanos;
  private CompletableFuture<byte[][]> pending = CompletableFuture.completedFuture(null);
  private GroupFailure failure;

  /// Starts to receive.
  ///
  /// @param size ranks
  /// @param channel belongs to the hub from now on
  RemoteHub(int size, FrameChannel channel) {
    this.size = size;
    this.channel = channel;
    this.receiver = Thread.ofVirtual().name("crossdock-group-receive").start(this::receive);
  }

  @Override
  public synchronized CompletableFuture<byte[][]> deposit(
      int rank, GroupPhase newPhase, byte[] contribution, Deadline bound) {
    if (failure != null) {
      return CompletableFuture.completedFuture(null);
    }
    phase = newPhase;
    sinceNanos = System.nanoTime();
    pending = new CompletableFuture<>();
    var collect = new Payloads.Collect(newPhase, bound, contribution);
    channel.send(FrameChannel.Type.COLLECT, Payloads.collect(collect));
    return pending;
  }

  @Override
  public synchronized void overdue(int rank) {
    if (!pending.isDone()) {
      long waitedMillis = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - sinceNanos);
      fail(
          GroupFailure.missing(
              List.of(HOST),
              "size=%d, phase=%s, waitedMs=%d".formatted(size, phase, waitedMillis)));
    }
  }

  @Override
  public void fail(GroupFailure why) {
    if (end(why)) {
      channel.send(FrameChannel.Type.FAILURE, why.encode());
    }
  }

  private synchronized boolean end(GroupFailure why) {
    if (failure != null) {
      return false;
    }
    failure = why;
    pending.complete(null);
    return true;
  }

  @Override
  public void leave(int rank) {
    channel.send(FrameChannel.Type.LEAVE, NOTHING);
  }

  @Override
  public synchronized GroupFailure failure() {
    return failure;
  }

  private void receive() {
    try {
      while (true) {
        take(channel.receive());
      }
    } catch (IOException e) {
      lose(e.getMessage());
    } finally {
      channel.close();
    }
  }

  private synchronized void lose(String cause) {
    end(GroupFailure.lost(HOST, phase, cause));
  }

  private void take(FrameChannel.Frame frame) throws IOException {
    switch (frame.type()) {
      case RESULT -> takeResult(frame.payload());
      case FAILURE -> end(GroupFailure.decode(frame.payload()));
      case COLLECT, LEAVE -> throw new IOException("frame is not for a member: " + frame.type());
    }
  }

  private synchronized void takeResult(byte[] payload) throws IOException {
    if (failure != null) {
      return;
    }
    Payloads.split(payload, arrived);
    if (pending.isDone() || arrived.size() > size) {
      throw new IOException("result belongs to no collective: ranks=" + arrived.size());
    }
    if (arrived.size() == size) {
      byte[][] all = arrived.toArray(byte[][]::new);
      arrived.clear();
      phase = GroupPhase.IDLE;
      pending.complete(all);
    }
  }

  /// Sends what is queued and ends the connection, in bounded time.
  void close() {
    channel.finish();
    try {
      if (!receiver.join(GOODBYE)) {
        channel.cut();
        receiver.join(GOODBYE);
      }
    } catch (InterruptedException e) {
      channel.cut();
      Thread.currentThread().interrupt();
    }
  }
}
