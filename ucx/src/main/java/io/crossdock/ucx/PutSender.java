package io.crossdock.ucx;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.crossdock.core.spi.Pieces;
import io.crossdock.ucx.binding.Operation;
import io.crossdock.ucx.binding.Status;

/// Puts into one peer's region with the network's own puts. A fence stands between a signal and
/// what was put before it; one fence serves all peers.
///
/// Confined to one thread at a time.
final class PutSender implements Sender {
  private final Peer peer;
  private final Room room;
  private final Traffic traffic;
  private final Fence fence;

  /// What the fence had counted when the last put went there.
  private long lastPut = -1;

  PutSender(Peer peer, Room room, Traffic traffic, Fence fence) {
    this.peer = peer;
    this.room = room;
    this.traffic = traffic;
    this.fence = fence;
  }

  @Override
  public void put(long remoteOffset, Pieces pieces) {
    long offset = remoteOffset;
    for (int piece = 0; piece < pieces.count(); piece++) {
      long bytes = pieces.size(piece);
      if (!begin(offset, pieces.address(piece), bytes)) {
        return;
      }
      offset += bytes;
    }
  }

  @Override
  public void signal(long remoteOffset, long value) {
    Operation operation = take();
    if (operation == null) {
      return;
    }
    fence.after(lastPut);
    operation.header().set(JAVA_LONG, 0, value);
    begin(operation, remoteOffset, operation.headerAddress(), Long.BYTES);
  }

  private boolean begin(long offset, long address, long bytes) {
    Operation operation = take();
    return operation != null && begin(operation, offset, address, bytes);
  }

  private boolean begin(Operation operation, long offset, long address, long bytes) {
    operation.add(address, bytes);
    traffic.sentBytes += bytes;
    lastPut = fence.count();
    byte status = operation.put(peer.endpoint, peer.key, peer.regionAddress + offset);
    peer.slots.begun(operation);
    if (status != Status.OK) {
      room.fail(peer, Failures.lost(peer, status));
    }
    return status == Status.OK;
  }

  private Operation take() {
    if (!peer.slots.hasFree()) {
      room.awaitFree(peer);
    }
    return peer.isAlive() ? peer.slots.take() : null;
  }

  @Override
  public boolean push() {
    return false;
  }

  @Override
  public void drop() {}
}
