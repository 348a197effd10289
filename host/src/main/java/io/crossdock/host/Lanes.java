package io.crossdock.host;

import io.crossdock.core.protocol.NodePlace;
import io.crossdock.core.spi.Pieces;
import java.lang.foreign.MemorySegment;
import java.util.function.IntPredicate;

/// Where this rank writes what goes into its lanes at other ranks: at near ranks the lanes
/// themselves, for far ones an image of them here, at the same offsets, that the network carries
/// over. Images cost nothing until they are written. A lane is written again only when its receiver
/// completed the call before, or the network needs its image no more.
///
/// Confined to the thread that runs the call; written by its workers.
final class Lanes {
  /// Operations that go out before a full queue is looked at again, and bytes that each carries at
  /// most. A transport has room for so many above a full queue.
  private static final long PORTION_OPERATIONS = 256;

  private static final long PORTION_OPERATION_BYTES = 4096;

  private final NodePlace place;
  private final LowLatencyLayout layout;
  private final MemorySegment[] pages;

  /// Null on one node.
  private final Network network;

  private final IntPredicate hasRoom;
  private final Pieces pieces = new Pieces();
  private long bytes;

  /// @param pages of all ranks; those of far ranks hold cells alone
  /// @param hasRoom waits until rows may be put to a far rank; says false if they need not be
  Lanes(
      NodePlace place,
      LowLatencyLayout layout,
      MemorySegment[] pages,
      Network network,
      IntPredicate hasRoom) {
    this.hasRoom = hasRoom;
    this.place = place;
    this.layout = layout;
    this.network = network;
    this.pages = pages.clone();
    for (int peer = 0; peer < pages.length; peer++) {
      if (!place.isNear(peer)) {
        this.pages[peer] = network.map(layout.end);
      }
    }
  }

  /// {@return memory in which this rank's lanes at a peer are written}
  MemorySegment at(int peer) {
    return pages[peer];
  }

  boolean isNear(int peer) {
    return place.isNear(peer);
  }

  /// Begins a call: nothing was put yet.
  void start() {
    bytes = 0;
  }

  /// {@return bytes that the call put for other nodes}
  long bytes() {
    return bytes;
  }

  /// Puts what a far rank receives of a dispatch: the first rows of this rank's lane.
  ///
  /// @param scaleBytes of each row; 0 without scales
  void putRows(int peer, long epoch, long numRows, long rowBytes, long scaleBytes) {
    if (numRows == 0) {
      return;
    }
    put(peer, layout.rows(epoch, place.rank()), numRows * rowBytes);
    put(peer, layout.scales(epoch, place.rank()), numRows * scaleBytes);
    put(peer, layout.sources(epoch, place.rank()), numRows * Integer.BYTES);
  }

  /// Puts bytes of a reply lane.
  ///
  /// @param from the first, within the lane
  void putReplies(int peer, long epoch, long from, long numBytes) {
    put(peer, layout.replies(epoch, place.rank()) + from, numBytes);
  }

  /// Puts a flag line behind all rows of its call.
  ///
  /// @param numBytes of the line
  void putFlag(int peer, long epoch, long numBytes) {
    long flag = layout.flag(epoch, place.rank());
    putPortion(peer, flag + 8, numBytes - 8);
    network.signal(peer, flag, epoch);
  }

  private void put(int peer, long offset, long numBytes) {
    long end = offset + numBytes;
    long operation = Math.min(PORTION_OPERATION_BYTES, network.operationBytes(peer));
    long portion = PORTION_OPERATIONS * operation;
    for (long at = offset; at < end && hasRoom.test(peer); at += portion) {
      putPortion(peer, at, Math.min(portion, end - at));
    }
  }

  private void putPortion(int peer, long offset, long numBytes) {
    bytes += numBytes;
    network.put(peer, offset, pieces.clear().add(pages[peer], offset, numBytes));
  }
}
