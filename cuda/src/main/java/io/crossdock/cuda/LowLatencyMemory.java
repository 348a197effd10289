package io.crossdock.cuda;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.crossdock.core.protocol.LowLatencyState;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// Device memory of a rank's low-latency mode that no peer sees:
///
/// ```
/// | LocalState | open [2] | pulled [2] | masks [R] | decisions [R] | expert counts i32[E] | scratch |
/// ```
///
/// Safe for any thread.
final class LowLatencyMemory implements AutoCloseable {
  private static final long NO_REFUSAL = -1;

  private final GpuMemory memory;
  private final long address;
  private final long byteSize;
  private final int numRanks;
  final long state;
  final long open;
  final long pulled;
  final long masks;
  final long decisions;
  final long expertCounts;

  /// The epoch of calls without halves.
  final long scratch;

  LowLatencyMemory(CudaGpu gpu, int numRanks, int numExperts) {
    this.memory = gpu.memory();
    this.numRanks = numRanks;
    Cursor cursor = new Cursor();
    long stateAt = cursor.take(1, Structs.LOCAL.byteSize());
    long openAt = cursor.take(LowLatencyState.SLOT_SETS, Long.BYTES);
    long pulledAt = cursor.take(LowLatencyState.MAX_LIVE_RESULTS, Long.BYTES);
    long masksAt = cursor.take(numRanks, Long.BYTES);
    long decisionsAt = cursor.take(numRanks, Long.BYTES);
    long countsAt = cursor.take(numExperts, Integer.BYTES);
    long scratchAt = cursor.take(1, Long.BYTES);
    byteSize = cursor.end(Cursor.LINE_BYTES);
    address = memory.take(byteSize);
    state = address + stateAt;
    open = address + openAt;
    pulled = address + pulledAt;
    masks = address + masksAt;
    decisions = address + decisionsAt;
    expertCounts = address + countsAt;
    scratch = address + scratchAt;
  }

  /// Starts anew.
  ///
  /// @param epoch all calls up to it are over
  /// @param absent ranks that are masked
  void restart(Control control, long epoch, boolean[] absent) {
    memory.zero(address, byteSize);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment fresh = arena.allocate(Structs.LOCAL.byteSize(), Long.BYTES);
      fresh.set(JAVA_LONG, Structs.LOCAL.offset("epoch"), epoch);
      fresh.set(JAVA_LONG, Structs.LOCAL.offset("refusal_key"), NO_REFUSAL);
      control.upload(fresh, state);
      MemorySegment words = arena.allocate(JAVA_LONG, numRanks);
      for (int peer = 0; peer < numRanks; peer++) {
        words.setAtIndex(JAVA_LONG, peer, absent[peer] ? 1 : 0);
      }
      control.upload(words, masks);
    }
  }

  long epoch(Control control) {
    return control.readLong(state + Structs.LOCAL.offset("epoch"));
  }

  @Override
  public void close() {
    memory.giveBack(address);
  }
}
