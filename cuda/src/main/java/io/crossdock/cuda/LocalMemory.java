package io.crossdock.cuda;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// Device memory of a rank that no peer sees:
///
/// ```
/// | addresses of all ranks | LocalState | rank counts | expert counts | scratch of layouts .. |
/// ```
///
/// Safe for any thread.
final class LocalMemory implements AutoCloseable {
  /// How many layouts may be under way.
  static final int NUM_LAYOUTS = 64;

  private static final long LAYOUT_SCRATCH_BYTES = 2 * Long.BYTES;
  private static final long NO_REFUSAL = -1;

  private final GpuMemory memory;
  private final long address;
  final long peers;
  final long state;
  final long rankCounts;
  final long expertCounts;
  private final long layouts;

  LocalMemory(CudaGpu gpu, int numRanks, int numExperts) {
    this.memory = gpu.memory();
    Cursor cursor = new Cursor();
    long peersAt = cursor.take(numRanks, Long.BYTES);
    long stateAt = cursor.take(1, Structs.LOCAL.byteSize());
    long rankCountsAt = cursor.take(numRanks, Long.BYTES);
    long expertCountsAt = cursor.take(numExperts, Integer.BYTES);
    long layoutsAt = cursor.take(NUM_LAYOUTS, LAYOUT_SCRATCH_BYTES);
    long byteSize = cursor.end(Cursor.LINE_BYTES);
    address = memory.take(byteSize);
    memory.zero(address, byteSize);
    peers = address + peersAt;
    state = address + stateAt;
    rankCounts = address + rankCountsAt;
    expertCounts = address + expertCountsAt;
    layouts = address + layoutsAt;
  }

  /// Writes what kernels expect to find.
  void fill(Control control, PeerLinks links) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment addresses = arena.allocate(JAVA_LONG, links.numRanks());
      for (int peer = 0; peer < links.numRanks(); peer++) {
        addresses.setAtIndex(JAVA_LONG, peer, links.address(peer));
      }
      control.upload(addresses, peers);
      MemorySegment scratch = arena.allocate(NUM_LAYOUTS * LAYOUT_SCRATCH_BYTES);
      for (int i = 0; i < NUM_LAYOUTS; i++) {
        scratch.setAtIndex(JAVA_LONG, 2L * i, NO_REFUSAL);
      }
      control.upload(scratch, layouts);
      restart(control, 0);
    }
  }

  /// Starts the rank's state anew.
  ///
  /// @param epoch of the last call that is over
  void restart(Control control, long epoch) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment fresh = arena.allocate(Structs.LOCAL.byteSize(), JAVA_INT.byteSize() * 2);
      fresh.set(JAVA_LONG, Structs.LOCAL.offset("epoch"), epoch);
      fresh.set(JAVA_LONG, Structs.LOCAL.offset("refusal_key"), NO_REFUSAL);
      control.upload(fresh, state);
    }
  }

  /// The last epoch that is over.
  long epoch(Control control) {
    return control.readLong(state + Structs.LOCAL.offset("epoch"));
  }

  /// Scratch of a layout.
  long layout(long ticket) {
    return layouts + ticket % NUM_LAYOUTS * LAYOUT_SCRATCH_BYTES;
  }

  @Override
  public void close() {
    memory.giveBack(address);
  }
}
