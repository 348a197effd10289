package io.crossdock.cuda;

import io.crossdock.core.LeaseException;
import io.crossdock.core.protocol.LowLatencyHandleData;
import io.crossdock.core.protocol.LowLatencyState;
import io.crossdock.core.protocol.WindowSet;
import io.crossdock.core.spi.LowLatencyDispatchCall;
import java.lang.foreign.MemorySegment;

/// The areas of low-latency results in this rank's memory, and who holds them. Peers write rows
/// into them and read expert outputs there.
///
/// Safe for any thread, but that an area belongs to the lease that it was claimed for.
final class CudaResultAreas {
  private final WindowSet areas = new WindowSet(LowLatencyState.MAX_LIVE_RESULTS);
  private final LowLatencyDispatchCall.Result[] results;
  private final MemorySegment[] outputs;
  private final WindowEvents released;
  private final int rank;

  CudaResultAreas(CudaContext context, WindowEvents released) {
    this.rank = context.rank;
    this.released = released;
    results = new LowLatencyDispatchCall.Result[areas.size()];
    outputs = new MemorySegment[areas.size()];
    LowLatencyGeometry geometry = context.geometry.lowLatency;
    for (int area = 0; area < results.length; area++) {
      long at = context.links.address(rank) + geometry.areas + area * geometry.areaPitch;
      results[area] =
          new LowLatencyDispatchCall.Result(
              MemorySegment.ofAddress(at),
              MemorySegment.ofAddress(at + geometry.areaScales),
              MemorySegment.ofAddress(at + geometry.areaCounts),
              MemorySegment.ofAddress(at + geometry.areaSources),
              MemorySegment.ofAddress(at + geometry.areaRanges));
      outputs[area] = MemorySegment.ofAddress(at + geometry.areaOutputs);
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
}
