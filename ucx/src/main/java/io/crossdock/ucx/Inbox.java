package io.crossdock.ucx;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.crossdock.ffi.RawMemory;
import io.crossdock.ucx.binding.Operation;
import io.crossdock.ucx.binding.Receiver;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;

/// Takes messages in: checks all of a message, and only then stores what it brings.
///
/// Confined to the thread that makes progress.
final class Inbox implements Receiver {
  private static final MemorySegment MEMORY = RawMemory.everything();
  private static final VarHandle NUMBER = JAVA_LONG.varHandle();

  private final MemorySegment region;
  private final Peer[] peers;
  private final Traffic traffic;
  private final Room room;
  private volatile Throwable error;

  Inbox(MemorySegment region, Peer[] peers, Traffic traffic, Room room) {
    this.region = region;
    this.peers = peers;
    this.traffic = traffic;
    this.room = room;
  }

  /// {@return an error of ours that came up inside a call of UCX; null if there is none, or if it
  /// was taken}
  Throwable takeError() {
    Throwable taken = error;
    error = null;
    return taken;
  }

  @Override
  public void received(long header, long headerBytes, long data, long dataBytes, boolean hasData) {
    Peer peer = sender(header, headerBytes);
    if (peer == null) {
      traffic.refusedStrangers++;
      return;
    }
    if (!peer.isAlive()) {
      traffic.refusedMessages++;
      return;
    }
    String reason = refusal(peer, header, headerBytes, hasData ? dataBytes : -1);
    if (reason != null) {
      traffic.refusedMessages++;
      room.fail(peer, reason);
      return;
    }
    peer.nextFromThere++;
    take(peer, header, data);
  }

  /// The peer whose token a message has; null if it has none.
  private Peer sender(long header, long headerBytes) {
    if (headerBytes < Frame.FIXED_BYTES) {
      return null;
    }
    int sender = Frame.sender(MEMORY, header);
    if (sender < 0 || sender >= peers.length || peers[sender] == null) {
      return null;
    }
    Peer peer = peers[sender];
    return Frame.token(MEMORY, header) == peer.tokenFromThere ? peer : null;
  }

  /// Why a message cannot be taken; null if it can.
  private String refusal(Peer peer, long header, long headerBytes, long dataBytes) {
    long sequence = Frame.sequence(MEMORY, header);
    if (sequence != peer.nextFromThere) {
      return Failures.outOfTurn(peer, sequence);
    }
    int numRecords = Frame.count(MEMORY, header);
    boolean isWhole = headerBytes <= Operation.HEADER_BYTES && numRecords >= 0;
    if (!isWhole || headerBytes != Frame.bytes(numRecords)) {
      return Failures.broken(peer, "header of another size", headerBytes);
    }
    long left = dataBytes;
    for (int record = 0; record < numRecords; record++) {
      long at = header + Frame.bytes(record);
      if (!isInside(at)) {
        return Failures.broken(peer, "record out of bounds", Frame.offset(MEMORY, at));
      }
      left -= Frame.kind(MEMORY, at) == Frame.PUT ? Frame.value(MEMORY, at) : 0;
      if (left < 0) {
        return Failures.broken(peer, "less data than its puts", dataBytes);
      }
    }
    return left == 0 ? null : Failures.broken(peer, "more data than its puts", dataBytes);
  }

  private boolean isInside(long at) {
    long offset = Frame.offset(MEMORY, at);
    long value = Frame.value(MEMORY, at);
    return switch (Frame.kind(MEMORY, at)) {
      case Frame.PUT -> value > 0 && value <= region.byteSize() - offset;
      case Frame.SIGNAL -> offset % Long.BYTES == 0 && offset <= region.byteSize() - Long.BYTES;
      case Frame.HELLO, Frame.WELCOME, Frame.FAREWELL -> true;
      default -> false;
    };
  }

  private void take(Peer peer, long header, long data) {
    int numRecords = Frame.count(MEMORY, header);
    long from = data;
    for (int record = 0; record < numRecords; record++) {
      long at = header + Frame.bytes(record);
      long offset = Frame.offset(MEMORY, at);
      long value = Frame.value(MEMORY, at);
      switch (Frame.kind(MEMORY, at)) {
        case Frame.PUT -> {
          MemorySegment.copy(MEMORY, from, region, offset, value);
          from += value;
        }
        // Pairs with the acquire load of whoever waits for the number.
        case Frame.SIGNAL -> NUMBER.setRelease(region, offset, value);
        default -> note(peer, Frame.kind(MEMORY, at));
      }
    }
  }

  private void note(Peer peer, int kind) {
    switch (kind) {
      case Frame.HELLO -> {
        peer.heard = true;
        peer.welcomeDue = true;
      }
      case Frame.WELCOME -> peer.welcomed = true;
      default -> room.fail(peer, Failures.farewell(peer));
    }
  }

  @Override
  public void failed(int peer, byte status) {
    room.fail(peers[peer], Failures.lost(peers[peer], status));
  }

  @Override
  public void broken(Throwable thrown) {
    error = thrown;
  }
}
