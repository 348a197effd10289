package io.crossdock.ucx;

import io.crossdock.core.spi.Pieces;
import io.crossdock.ucx.binding.Operation;
import io.crossdock.ucx.binding.Status;

/// Sends messages to one peer. Puts gather in a message until it is full, a signal follows, or
/// progress is made; so a small put and its signal are one message.
///
/// Confined to one thread at a time.
final class MessageSender implements Sender {
  private final Peer peer;
  private final Room room;
  private final Traffic traffic;
  private final int self;
  private final long mostBytes;

  private Operation open;
  private int numRecords;
  private int endedRecord;
  private long endOffset;

  MessageSender(Peer peer, Room room, Traffic traffic, int self, long mostBytes) {
    this.peer = peer;
    this.room = room;
    this.traffic = traffic;
    this.self = self;
    this.mostBytes = mostBytes;
  }

  long mostBytes() {
    return mostBytes;
  }

  /// {@return true if [#tell] needs to wait for nobody}
  boolean canTell() {
    return peer.slots.hasFree() || (open != null && numRecords < Frame.MOST_RECORDS);
  }

  @Override
  public void put(long remoteOffset, Pieces pieces) {
    long offset = remoteOffset;
    for (int piece = 0; piece < pieces.count(); piece++) {
      long address = pieces.address(piece);
      long left = pieces.size(piece);
      while (left > 0) {
        if (!hasRoom()) {
          return;
        }
        long bytes = Math.min(left, mostBytes - open.byteSize());
        addPut(offset, bytes);
        open.add(address, bytes);
        address += bytes;
        offset += bytes;
        left -= bytes;
      }
    }
  }

  @Override
  public void signal(long remoteOffset, long value) {
    tell(Frame.SIGNAL, remoteOffset, value);
  }

  /// Sends a record at once, behind all that was put before.
  void tell(int kind, long offset, long value) {
    if (open != null && numRecords == Frame.MOST_RECORDS) {
      push();
    }
    if (open == null && !begin()) {
      return;
    }
    addRecord(kind, offset, value);
    push();
  }

  /// Makes sure that a piece fits into the open message, be it in part.
  ///
  /// @return false if the peer failed
  private boolean hasRoom() {
    if (open != null && isFull()) {
      push();
    }
    return open != null || begin();
  }

  private boolean isFull() {
    return open.byteSize() == mostBytes
        || open.numPieces() == Operation.MOST_PIECES
        || numRecords == Frame.MOST_RECORDS;
  }

  private boolean begin() {
    if (!peer.slots.hasFree()) {
      room.awaitFree(peer);
    }
    if (!peer.isAlive()) {
      return false;
    }
    open = peer.slots.take();
    numRecords = 0;
    endedRecord = -1;
    return true;
  }

  /// A put that goes on where the last one ended is part of its record.
  private void addPut(long offset, long bytes) {
    if (endedRecord == numRecords - 1 && numRecords > 0 && endOffset == offset) {
      long at = Frame.bytes(endedRecord);
      Frame.setValue(open.header(), at, Frame.value(open.header(), at) + bytes);
    } else {
      endedRecord = numRecords;
      addRecord(Frame.PUT, offset, bytes);
    }
    endOffset = offset + bytes;
  }

  private void addRecord(int kind, long offset, long value) {
    long at = Frame.bytes(numRecords++);
    Frame.setPlace(open.header(), at, kind, offset);
    Frame.setValue(open.header(), at, value);
  }

  @Override
  public boolean push() {
    if (open == null) {
      return false;
    }
    Operation message = open;
    open = null;
    Frame.setToken(message.header(), 0, peer.tokenForThere);
    Frame.setSender(message.header(), 0, self);
    Frame.setCount(message.header(), 0, numRecords);
    Frame.setSequence(message.header(), 0, peer.nextForThere++);
    long headerBytes = Frame.bytes(numRecords);
    traffic.sentBytes += headerBytes + message.byteSize();
    byte status = message.send(peer.endpoint, Frame.ID, headerBytes);
    peer.slots.begun(message);
    if (status != Status.OK) {
      room.fail(peer, Failures.lost(peer, status));
    }
    return true;
  }

  @Override
  public void drop() {
    if (open != null) {
      peer.slots.giveBack(open);
      open = null;
    }
  }
}
