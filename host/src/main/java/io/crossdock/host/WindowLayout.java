package io.crossdock.host;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.protocol.Entry;
import io.crossdock.core.protocol.NodePlace;
import io.crossdock.core.protocol.ProtocolState;

/// Where everything lies in a rank's shared memory. Every offset is taken once, from one cursor:
///
/// ```
/// | cells: state | finished | pulled | drained | reason | entry slot 0 | entry slot 1 |
/// | low-latency mode: LowLatencyLayout, cells first | receive windows | output windows |
/// | several nodes: NodeLayout |
///
/// entry slot      | epoch | terms .. | reason | rank counts | expert counts |
/// receive window  | rows | scales | topkIdx | topkWeights | source token idx |
/// output window   | rows | topkWeights |
/// ```
///
/// Cells that one rank stores and others poll have a cache-line pair of their own. They come first,
/// so that they can be mirrored on other nodes in one piece.
///
/// Safe for any thread.
final class WindowLayout {
  static final int NUM_TERMS = 16;
  private static final int LINE_BYTES = 128;
  private static final int PAGE_BYTES = 4096;

  final long state;
  final long finished;
  final long pulled;
  final long drained;
  final long reason;
  final long slot0;
  final long slotBytes;
  final long slotReason;
  final long slotRankCounts;
  final long slotExpertCounts;
  final long receive0;
  final long receiveBytes;
  final long recvScales;
  final long recvTopkIdx;
  final long recvTopkWeights;
  final long recvSource;
  final long output0;
  final long outputBytes;
  final long outputWeights;
  final long rows;
  final long byteSize;

  /// All that a rank publishes in its own memory lies below.
  final long cellBytes;

  /// Null in a buffer for normal mode alone.
  final LowLatencyLayout lowLatency;

  /// Null on one node.
  final NodeLayout nodes;

  private WindowLayout(BufferSpec spec, NodePlace place) {
    int numRanks = place.numRanks();
    rows = spec.windowRows(numRanks);
    Cursor slot = new Cursor();
    slot.take(NUM_TERMS * 8L, 8);
    slotReason = slot.take(8 + Entry.MAX_REASON_BYTES, 8);
    slotRankCounts = slot.take(numRanks * 8L, 8);
    slotExpertCounts = slot.take(spec.numExperts() * 4L, 8);
    slotBytes = slot.end(LINE_BYTES);

    Cursor window = new Cursor();
    window.take(multiply(rows, spec.maxRowBytes()), LINE_BYTES);
    recvScales = window.take(multiply(rows, spec.maxScaleBytes()), LINE_BYTES);
    recvTopkIdx = window.take(multiply(rows, spec.topk() * 8L), LINE_BYTES);
    recvTopkWeights = window.take(multiply(rows, spec.topk() * 4L), LINE_BYTES);
    recvSource = window.take(multiply(rows, 4L), LINE_BYTES);
    receiveBytes = window.end(PAGE_BYTES);

    Cursor out = new Cursor();
    out.take(multiply(rows, spec.hidden() * 2L), LINE_BYTES);
    outputWeights = out.take(multiply(rows, spec.topk() * 4L), LINE_BYTES);
    outputBytes = out.end(PAGE_BYTES);

    Cursor file = new Cursor();
    state = file.take(8, LINE_BYTES);
    finished = file.take(8, LINE_BYTES);
    pulled = file.take(8, LINE_BYTES);
    drained = file.take(8, LINE_BYTES);
    reason = file.take(8 + Entry.MAX_REASON_BYTES, LINE_BYTES);
    slot0 = file.take(multiply(ProtocolState.ENTRY_SLOTS, slotBytes), LINE_BYTES);
    lowLatency = LowLatencyLayout.of(spec, numRanks, file);
    cellBytes = lowLatency == null ? file.end(PAGE_BYTES) : lowLatency.cellBytes;
    receive0 = file.take(multiply(spec.numReceiveWindows(), receiveBytes), PAGE_BYTES);
    output0 = file.take(multiply(spec.numOutputWindows(), outputBytes), PAGE_BYTES);
    nodes = NodeLayout.of(spec, place, cellBytes, file);
    byteSize = file.end(PAGE_BYTES);
  }

  /// Lays out the memory of one rank of a single node.
  ///
  /// @throws InvalidInputException if it takes more bytes than memory can have
  static WindowLayout of(BufferSpec spec, int numRanks) {
    return of(spec, NodePlace.onOneNode(0, numRanks));
  }

  /// Lays out the memory of one rank.
  ///
  /// @throws InvalidInputException if it takes more bytes than memory can have
  static WindowLayout of(BufferSpec spec, NodePlace place) {
    try {
      return new WindowLayout(spec, place);
    } catch (ArithmeticException e) {
      InvalidInputException failure =
          new InvalidInputException(
              "windows are larger than memory can be: numRanks="
                  + place.numRanks()
                  + ", spec="
                  + spec);
      failure.initCause(e);
      throw failure;
    }
  }

  long slot(long epoch) {
    return slot0 + ProtocolState.slot(epoch) * slotBytes;
  }

  long receive(int window) {
    return receive0 + window * receiveBytes;
  }

  long output(int window) {
    return output0 + window * outputBytes;
  }

  private static long multiply(long count, long bytes) {
    return Math.multiplyExact(count, bytes);
  }
}
