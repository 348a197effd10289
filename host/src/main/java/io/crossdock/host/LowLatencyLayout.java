package io.crossdock.host;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.Mode;
import io.crossdock.core.format.LogFmt10;
import io.crossdock.core.protocol.Entry;
import io.crossdock.core.protocol.LowLatencyState;

/// Where low-latency mode lies in a rank's shared memory, behind the cells of normal mode:
///
/// ```
/// | completed | beat | drained | refusal 0 | refusal 1 | masks [R] | knock | acks [R] |
/// | flag line of each (set, source) .. | dispatch lane of each .. | combine lane of each .. |
///
/// refusal       | epoch | reason |
/// knock, ack    | generation | knock |
/// flag line     | flag | terms .. | completed | rows of each local expert |
/// dispatch lane | rows | scales | source token idx |       numSlots of each
/// combine lane  | rows |                                   numSlots
/// ```
///
/// A source writes its own flag lines and lanes in the memory of others, and nothing else there.
///
/// Safe for any thread.
final class LowLatencyLayout {
  /// Flag, five terms, completed mark.
  private static final int NUM_FLAG_CELLS = 7;

  private static final int LINE_BYTES = 128;
  private static final int PAGE_BYTES = 4096;

  final int numRanks;
  final long numSlots;
  final long completed;
  final long beat;
  final long drained;
  final long refusal0;
  final long refusalBytes;
  final long masks;
  final long knock;
  final long acks;
  final long combineRowBytes;

  /// The cells end here; lanes follow.
  final long cellBytes;

  /// The lanes end here.
  final long end;

  private final long flags0;
  private final long flagBytes;
  private final long dispatch0;
  private final long dispatchBytes;
  private final long laneScales;
  private final long laneSources;
  private final long combine0;
  private final long combineBytes;

  private LowLatencyLayout(BufferSpec spec, int numRanks, Cursor cursor) {
    this.numRanks = numRanks;
    numSlots = spec.laneSlots(numRanks);
    combineRowBytes = LogFmt10.maxRowBytes(spec.hidden());
    Cursor line = new Cursor();
    line.take(NUM_FLAG_CELLS * 8L, 8);
    line.take(spec.numExperts() / numRanks * 4L, 8);
    flagBytes = line.end(LINE_BYTES);

    Cursor lane = new Cursor();
    lane.take(Math.multiplyExact(numSlots, spec.hidden() * 2L), LINE_BYTES);
    laneScales = lane.take(Math.multiplyExact(numSlots, spec.maxScaleBytes()), LINE_BYTES);
    laneSources = lane.take(Math.multiplyExact(numSlots, 4L), LINE_BYTES);
    dispatchBytes = lane.end(LINE_BYTES);

    Cursor reply = new Cursor();
    reply.take(Math.multiplyExact(numSlots, combineRowBytes), LINE_BYTES);
    combineBytes = reply.end(LINE_BYTES);

    long lanes = (long) LowLatencyState.SLOT_SETS * numRanks;
    completed = cursor.take(8, LINE_BYTES);
    beat = cursor.take(8, LINE_BYTES);
    drained = cursor.take(8, LINE_BYTES);
    refusalBytes = new Cursor(16L + Entry.MAX_REASON_BYTES).end(LINE_BYTES);
    refusal0 = cursor.take(LowLatencyState.SLOT_SETS * refusalBytes, LINE_BYTES);
    masks = cursor.take(numRanks * 8L, LINE_BYTES);
    knock = cursor.take(16, LINE_BYTES);
    acks = cursor.take(numRanks * 16L, LINE_BYTES);
    cellBytes = cursor.end(PAGE_BYTES);
    flags0 = cursor.take(Math.multiplyExact(lanes, flagBytes), LINE_BYTES);
    dispatch0 = cursor.take(Math.multiplyExact(lanes, dispatchBytes), PAGE_BYTES);
    combine0 = cursor.take(Math.multiplyExact(lanes, combineBytes), PAGE_BYTES);
    end = cursor.end(PAGE_BYTES);
  }

  /// {@return the layout, or null if the buffer is for normal mode alone}
  ///
  /// @param file where it begins; behind it afterwards
  /// @throws ArithmeticException if it takes more bytes than memory can have
  static LowLatencyLayout of(BufferSpec spec, int numRanks, Cursor file) {
    return spec.mode() == Mode.LOW_LATENCY ? new LowLatencyLayout(spec, numRanks, file) : null;
  }

  /// The refusal cell of a call.
  long refusal(long epoch) {
    return refusal0 + LowLatencyState.set(epoch) * refusalBytes;
  }

  /// The flag line of a source.
  long flag(long epoch, int source) {
    return flags0 + lane(epoch, source) * flagBytes;
  }

  /// Bytes of a flag line that a call fills.
  ///
  /// @param numLocalExperts whose counts go along; 0 if the call has none
  static long flagBytes(int numLocalExperts) {
    return NUM_FLAG_CELLS * 8L + numLocalExperts * 4L;
  }

  /// Rows that the source of a flag line sent to each local expert.
  long flagCounts(long epoch, int source) {
    return flag(epoch, source) + NUM_FLAG_CELLS * 8L;
  }

  /// Rows of a dispatch lane.
  long rows(long epoch, int source) {
    return dispatch0 + lane(epoch, source) * dispatchBytes;
  }

  /// Scales of a dispatch lane, one float32 of each 128 channels.
  long scales(long epoch, int source) {
    return rows(epoch, source) + laneScales;
  }

  /// Source token indices of a dispatch lane.
  long sources(long epoch, int source) {
    return rows(epoch, source) + laneSources;
  }

  /// Rows of a combine lane, [#combineRowBytes] apart if they are encoded.
  long replies(long epoch, int source) {
    return combine0 + lane(epoch, source) * combineBytes;
  }

  private long lane(long epoch, int source) {
    return (long) LowLatencyState.set(epoch) * numRanks + source;
  }
}
