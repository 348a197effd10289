package io.crossdock.cuda;

import io.crossdock.core.LeaseException;
import io.crossdock.core.protocol.LowLatencyHandleData;
import io.crossdock.core.protocol.LowLatencyState;
import io.crossdock.core.protocol.WindowSet;
import io.crossdock.core.spi.LowLatencyDispatchCall;
import java.lang.foreign.MemorySegment;

/// Device memory of low-latency results, and who holds it: rows and scales of both, and a place for
/// the expert outputs of each.
///
/// Safe for any thread, but that an area belongs to the lease that it was claimed for.
final class CudaResultAreas implements AutoCloseable {
  private final WindowSet areas = new WindowSet(LowLatencyState.MAX_LIVE_RESULTS);
  private final LowLatencyDispatchCall.Result[] results;
  private final MemorySegment[] outputs;
  private final long[] blocks;
  private final GpuMemory memory;
  private final WindowEvents released;
  private final int rank;

  CudaResultAreas(CudaContext context, WindowEvents released) {
    this.rank = context.rank;
    this.memory = context.gpu.memory();
    this.released = released;
    int numAreas = areas.size();
    results = new LowLatencyDispatchCall.Result[numAreas];
    outputs = new MemorySegment[numAreas];
    blocks = new long[numAreas];
    long local = context.spec.numExperts() / context.numRanks;
    long rows =
        Math.multiplyExact(context.spec.numExperts(), (long) context.spec.numMaxTokensPerRank());
    Cursor cursor = new Cursor();
    long rowsAt = cursor.take(rows, context.spec.hidden() * 2L);
    long scalesAt = cursor.take(rows, context.spec.maxScaleBytes());
    long countAt = cursor.take(local, Integer.BYTES);
    long sourceAt = cursor.take(rows, Integer.BYTES);
    long rangeAt = cursor.take(local * context.numRanks, 2L * Integer.BYTES);
    long outputsAt = cursor.take(rows, context.spec.hidden() * 2L);
    long byteSize = cursor.end(Cursor.LINE_BYTES);
    for (int area = 0; area < numAreas; area++) {
      long at = memory.take(byteSize);
      blocks[area] = at;
      results[area] =
          new LowLatencyDispatchCall.Result(
              MemorySegment.ofAddress(at + rowsAt),
              MemorySegment.ofAddress(at + scalesAt),
              MemorySegment.ofAddress(at + countAt),
              MemorySegment.ofAddress(at + sourceAt),
              MemorySegment.ofAddress(at + rangeAt));
      outputs[area] = MemorySegment.ofAddress(at + outputsAt);
    }
  }

  /// Claims an area for a dispatch.
  void claim(LowLatencyDispatchCall call) {
    int area = areas.acquire();
    if (area < 0) {
      throw new LeaseException(
          "two low-latency results are alive: rank="
              + rank
              + ", areas="
              + areas.describe()
              + ", remedy=close one before the next dispatch");
    }
    call.handle.area = area;
    call.handle.ticket = areas.ticket(area);
    call.result = results[area];
    areas.hand(area, WindowSet.Holder.LEASE, 0);
  }

  /// Makes the communication stream wait for those who used an area before.
  void awaitRelease(int area) {
    released.awaitRelease(area);
  }

  /// What closes a result again must not take the place of who uses the area by then.
  void end(int area, long ticket) {
    if (areas.isLeased(area, ticket)) {
      released.noteRelease(area);
    }
    areas.endLease(area, ticket);
  }

  /// The place for the expert outputs of a live result.
  MemorySegment outputs(LowLatencyHandleData handle) {
    if (!areas.isLeased(handle.area, handle.ticket)) {
      throw new LeaseException(
          "result of the dispatch was closed: rank=" + rank + ", area=" + handle.area);
    }
    return outputs[handle.area];
  }

  void clear() {
    areas.clear();
  }

  @Override
  public void close() {
    for (long block : blocks) {
      if (block != 0) {
        memory.giveBack(block);
      }
    }
  }
}
