package io.crossdock.cuda;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.Mode;
import io.crossdock.core.format.LogFmt10;
import io.crossdock.core.protocol.LowLatencyState;
import java.lang.foreign.MemorySegment;

/// Where low-latency mode lies in the device memory of a rank that its peers reach, behind the
/// windows:
///
/// ```
/// | completed [R] | masked by [R] | knocks [R] | acks [R] | refusals [2][R] | flag lines [2][R] |
/// | announcements [2][R] | announced counts [2][R][E] | sent words [2][R][256] |
/// | dispatch lanes [2][R] | combine lanes [2][R] | result areas [2] |
///
/// knock, ack      | generation | knock |                      the host alone reads them
/// refusal         | header | reason |
/// flag line       | header | rows for each expert of the owner i32 |
/// dispatch lane   | rows | scales | source token idx |
/// result area     | rows | scales | source token idx | counts | ranges | outputs |
/// ```
///
/// Peers write all of it, each its own part, into the memory of the rank that looks at it.
///
/// Safe for any thread.
final class LowLatencyGeometry {
  /// As many as a kernel keeps track of.
  private static final int MAX_RANKS = 1024;

  private static final int LANE_ALIGNMENT = 512;

  /// `kMaxSenders` of ll_plan.cuh.
  private static final int MAX_SENDERS = 256;

  final long completed;
  final long maskedBy;
  final long knocks;
  final long acks;
  final long areas;
  final long areaPitch;
  final long areaScales;
  final long areaSources;
  final long areaCounts;
  final long areaRanges;
  final long areaOutputs;
  final long end;
  private final int hidden;
  private final long numSlots;
  private final boolean mayShrink;
  private final long refusals;
  private final long refusalPitch;
  private final long flags;
  private final long flagPitch;
  private final long dispatch;
  private final long dispatchPitch;
  private final long laneScales;
  private final long laneSources;
  private final long combine;
  private final long combinePitch;
  private final long announcements;
  private final long counts;
  private final long countsPitch;
  private final long sent;
  private final long sentPitch;

  private LowLatencyGeometry(BufferSpec spec, int numRanks, long begin) {
    hidden = spec.hidden();
    numSlots = spec.laneSlots(numRanks);
    mayShrink = spec.enableShrink();
    refusalPitch = Structs.LL_REFUSAL.byteSize() + Structs.REASON_BYTES;
    Cursor flag = new Cursor();
    flag.take(1, Structs.LL_FLAG.byteSize());
    flag.append(spec.numExperts() / numRanks, Integer.BYTES);
    flagPitch = flag.end(Cursor.LINE_BYTES);

    Cursor lane = new Cursor();
    lane.take(numSlots, hidden * 2L);
    laneScales = lane.take(numSlots, spec.maxScaleBytes());
    laneSources = lane.take(numSlots, Integer.BYTES);
    dispatchPitch = lane.end(LANE_ALIGNMENT);

    Cursor reply = new Cursor();
    reply.take(numSlots, LogFmt10.maxRowBytes(hidden));
    combinePitch = reply.end(LANE_ALIGNMENT);

    long rows = Math.multiplyExact(spec.numExperts(), (long) spec.numMaxTokensPerRank());
    Cursor area = new Cursor();
    area.take(rows, hidden * 2L);
    areaScales = area.take(rows, spec.maxScaleBytes());
    areaSources = area.take(rows, Integer.BYTES);
    areaCounts = area.take(spec.numExperts() / numRanks, Integer.BYTES);
    areaRanges = area.take(spec.numExperts(), 2L * Integer.BYTES);
    areaOutputs = area.take(rows, hidden * 2L);
    areaPitch = area.end(LANE_ALIGNMENT);

    countsPitch = spec.numExperts() * (long) Long.BYTES;
    long lanes = (long) LowLatencyState.SLOT_SETS * numRanks;
    Cursor memory = new Cursor();
    memory.take(1, begin);
    completed = memory.take(numRanks, Long.BYTES);
    maskedBy = memory.take(numRanks, Long.BYTES);
    knocks = memory.take(numRanks, 2L * Long.BYTES);
    acks = memory.take(numRanks, 2L * Long.BYTES);
    refusals = memory.take(lanes, refusalPitch);
    flags = memory.take(lanes, flagPitch);
    announcements = memory.take(lanes, Long.BYTES);
    counts = memory.take(lanes, countsPitch);
    sentPitch = (long) MAX_SENDERS * Long.BYTES;
    sent = memory.take(lanes, sentPitch);
    dispatch = memory.end(LANE_ALIGNMENT);
    combine = Math.addExact(dispatch, Math.multiplyExact(lanes, dispatchPitch));
    areas = Math.addExact(combine, Math.multiplyExact(lanes, combinePitch));
    long areasBytes = Math.multiplyExact(LowLatencyState.MAX_LIVE_RESULTS, areaPitch);
    end = Math.addExact(areas, areasBytes);
  }

  /// {@return the geometry, or null if the buffer is for normal mode alone}
  static LowLatencyGeometry of(BufferSpec spec, int numRanks, long begin) {
    if (spec.mode() != Mode.LOW_LATENCY) {
      return null;
    }
    if (numRanks > MAX_RANKS) {
      throw new InvalidInputException(
          "too many ranks for low-latency mode on a GPU: numRanks="
              + numRanks
              + ", max="
              + MAX_RANKS);
    }
    if (spec.numMaxTokensPerRank() > RowPlan.MAX_TOKENS) {
      throw new InvalidInputException(
          "too many tokens for low-latency mode on a GPU: numMaxTokensPerRank="
              + spec.numMaxTokensPerRank()
              + ", max="
              + RowPlan.MAX_TOKENS);
    }
    return new LowLatencyGeometry(spec, numRanks, begin);
  }

  /// Writes the struct that every low-latency kernel gets.
  void write(MemorySegment args, LowLatencyMemory memory) {
    long[] words = {
      hidden,
      numSlots,
      mayShrink ? 1 : 0,
      completed,
      maskedBy,
      refusals,
      refusalPitch,
      flags,
      flagPitch,
      dispatch,
      dispatchPitch,
      laneScales,
      laneSources,
      combine,
      combinePitch,
      announcements,
      counts,
      countsPitch,
      sent,
      sentPitch,
      areas,
      areaPitch,
      areaScales,
      areaSources,
      areaOutputs,
      memory.pulled,
      memory.masks,
      memory.decisions,
      memory.open,
      memory.expertCounts
    };
    MemorySegment.copy(words, 0, args, JAVA_LONG, Structs.LL_CALL.offset("ll"), words.length);
  }
}
