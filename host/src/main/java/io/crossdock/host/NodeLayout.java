package io.crossdock.host;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.protocol.NodePlace;

/// What other nodes write in a rank's shared memory, beside receive windows and low-latency lanes:
///
/// ```
/// | mirror of the cells of each rank [R] | landing of each other node [numNodes - 1] |
///
/// landing | dispatched mark | combined mark | probed mark | chunks ..
/// chunk   | rows [n] | side records [n] |                      of a dispatch
///         | partial sums [n] | weights [n] |                   of a combine
/// ```
///
/// Rows come from the rank of that node on this rank's rail, chunk after chunk; all but the last
/// have as many rows as their sender says in its entry. The room of a row that went straight into
/// this rank's window stays as it was. A mark says how many rows of an epoch arrived.
///
/// Safe for any thread.
final class NodeLayout {
  /// Most rows of a landing: what a mark can count.
  static final int MAX_ROWS = 1 << 24;

  private static final int EPOCH_SHIFT = 25;
  private static final int LINE_BYTES = 128;
  private static final int PAGE_BYTES = 4096;

  /// Token and stream index.
  private static final int FIXED_SIDE_INTS = 2;

  final int landingRows;

  /// Bytes that rows of a landing take at most.
  final long chunkBytes;

  /// Bytes of mirrors and landings.
  final long byteSize;

  private final long mirrors0;
  private final long mirrorBytes;
  private final long landings0;
  private final long landingBytes;
  private final long combinedMark;
  private final long probedMark;
  private final long chunks;

  private NodeLayout(BufferSpec spec, NodePlace place, long cellBytes, Cursor file) {
    landingRows = Math.max(1, spec.numMaxTokensPerRank());
    if (landingRows >= MAX_ROWS) {
      throw new InvalidInputException(
          "too many tokens for several nodes: numMaxTokensPerRank="
              + landingRows
              + ", limit="
              + MAX_ROWS);
    }
    chunkBytes = Math.multiplyExact(landingRows, spec.landingRowBytes(place.numLocalRanks()));
    Cursor landing = new Cursor();
    landing.take(8, LINE_BYTES);
    combinedMark = landing.take(8, LINE_BYTES);
    probedMark = landing.take(8, LINE_BYTES);
    chunks = landing.take(chunkBytes, LINE_BYTES);
    landingBytes = landing.end(PAGE_BYTES);
    mirrorBytes = cellBytes;
    mirrors0 = file.take(Math.multiplyExact(place.numRanks(), mirrorBytes), PAGE_BYTES);
    landings0 = file.take(Math.multiplyExact(place.numNodes() - 1, landingBytes), PAGE_BYTES);
    byteSize = file.end(PAGE_BYTES) - mirrors0;
  }

  /// {@return the layout, or null on one node}
  ///
  /// @param file where it begins; behind it afterwards
  /// @throws ArithmeticException if it takes more bytes than memory can have
  static NodeLayout of(BufferSpec spec, NodePlace place, long cellBytes, Cursor file) {
    return place.numNodes() == 1 ? null : new NodeLayout(spec, place, cellBytes, file);
  }

  /// Bytes of what goes along with a dispatched row: scales, then token, stream index, positions at
  /// the ranks of the node, choices and weights, 4 bytes each.
  static long sideBytes(NodePlace place, int topk, boolean weights, long scaleBytes) {
    int choices = topk + (weights ? topk : 0);
    return scaleBytes + 4L * (FIXED_SIDE_INTS + place.numLocalRanks() + choices);
  }

  /// Bytes of a partial sum with its weights.
  static long partialBytes(int hidden, int topk) {
    return hidden * 2L + topk * 4L;
  }

  /// {@return bytes of the cells of a rank}
  long mirrorBytes() {
    return mirrorBytes;
  }

  /// Where the cells of a rank of another node are mirrored.
  long mirror(int peer) {
    return mirrors0 + peer * mirrorBytes;
  }

  /// How many rows of a dispatch arrived.
  ///
  /// @param node whose memory it is
  /// @param from the node that they came from
  long dispatched(int node, int from) {
    return landings0 + (from < node ? from : from - 1) * landingBytes;
  }

  /// How many partial sums of a combine arrived.
  ///
  /// @param node whose memory it is
  /// @param from the node that they came from
  long combined(int node, int from) {
    return dispatched(node, from) + combinedMark;
  }

  /// How often a probe of the network arrived.
  ///
  /// @param node whose memory it is
  /// @param from the node that it came from
  long probed(int node, int from) {
    return dispatched(node, from) + probedMark;
  }

  /// The first chunk of a landing.
  ///
  /// @param node whose memory it is
  /// @param from the node that it comes from
  long chunks(int node, int from) {
    return dispatched(node, from) + chunks;
  }

  /// A mark: marks of one landing only grow.
  ///
  /// @param rows that arrived
  /// @param last true if no more will come in this epoch
  static long mark(long epoch, int rows, boolean last) {
    return (epoch << EPOCH_SHIFT) | ((long) rows << 1) | (last ? 1 : 0);
  }

  /// {@return rows of an epoch that a mark tells of}
  static int rows(long mark, long epoch) {
    return mark >>> EPOCH_SHIFT == epoch ? (int) (mark >>> 1) & (MAX_ROWS - 1) : 0;
  }

  /// {@return rows that a mark tells of, for people: 0 if it is of an epoch before}
  ///
  /// @param mark seen or expected
  /// @param expected the mark that is waited for
  static long rowsWaitedFor(long mark, long expected) {
    long rows = rows(mark, expected >>> EPOCH_SHIFT);
    return mark == expected ? rows + (expected & 1) : rows;
  }

  /// {@return true if a mark is the last one of an epoch}
  static boolean isLast(long mark, long epoch) {
    return mark >>> EPOCH_SHIFT == epoch && (mark & 1) != 0;
  }
}
