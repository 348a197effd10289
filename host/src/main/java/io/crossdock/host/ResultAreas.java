package io.crossdock.host;

import io.crossdock.core.LeaseException;
import io.crossdock.core.protocol.LowLatencyHandleData;
import io.crossdock.core.protocol.LowLatencyState;
import io.crossdock.core.protocol.WindowSet;
import io.crossdock.core.spi.LowLatencyDispatchCall;
import io.crossdock.ffi.AnonymousMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// The memory of low-latency results, and who holds it. Sized for the worst case, but only what
/// rows were packed into takes memory.
///
/// Safe for any thread, but that an area belongs to the lease that it was claimed for.
final class ResultAreas {
  private final WindowSet areas = new WindowSet(LowLatencyState.MAX_LIVE_RESULTS);
  private final LowLatencyDispatchCall.Result[] results;
  private final MemorySegment[] outputs;
  private final int rank;

  ResultAreas(LowLatencyContext context, Arena arena) {
    rank = context.rank;
    int numAreas = areas.size();
    results = new LowLatencyDispatchCall.Result[numAreas];
    outputs = new MemorySegment[numAreas];
    int numRanks = context.numRanks;
    long local = context.host.spec.numExperts() / numRanks;
    long rows =
        Math.multiplyExact(local * numRanks, (long) context.host.spec.numMaxTokensPerRank());
    for (int area = 0; area < numAreas; area++) {
      results[area] =
          new LowLatencyDispatchCall.Result(
              AnonymousMemory.map(Math.multiplyExact(rows, context.hidden * 2L), arena),
              AnonymousMemory.map(
                  Math.multiplyExact(rows, context.host.spec.maxScaleBytes()), arena),
              AnonymousMemory.map(local * 4, arena),
              AnonymousMemory.map(rows * 4, arena),
              AnonymousMemory.map(local * numRanks * 8, arena));
      outputs[area] = AnonymousMemory.map(Math.multiplyExact(rows, context.hidden * 2L), arena);
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
    areas.hand(area, WindowSet.Holder.LEASE, call.handle.ticket);
  }

  void end(int area, long ticket) {
    areas.endLease(area, ticket);
  }

  /// The place for the expert outputs of a live result.
  MemorySegment outputs(LowLatencyHandleData handle) {
    if (!areas.isLeased(handle.area, handle.ticket)) {
      throw new LeaseException(
          "result of the dispatch was closed: rank="
              + rank
              + ", epoch="
              + handle.epoch
              + ", area="
              + handle.area);
    }
    return outputs[handle.area];
  }

  void clear() {
    areas.clear();
  }
}
