package io.crossdock.cuda;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.crossdock.cuda.driver.Context;
import io.crossdock.cuda.driver.PinnedMemory;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;

/// The counts of a fresh dispatch in pinned memory: ticket, epoch, prefix sums i64[R][R], rows of
/// each local expert i32. The kernel stores the ticket last, with release, which pairs with the
/// acquire load of [#hold].
///
/// Confined to the thread that runs the call.
final class Counts implements AutoCloseable {
  private static final VarHandle LONG = JAVA_LONG.varHandle();

  private static final long EPOCH = Structs.COUNTS.offset("epoch");
  private static final long PREFIX = Structs.COUNTS.byteSize();

  private final PinnedMemory memory;
  private final MemorySegment prefix;
  private final int numRanks;
  private final long experts;
  private final long[] row;

  Counts(Context context, int numRanks, int maxLocalExperts) {
    this.numRanks = numRanks;
    this.row = new long[numRanks];
    this.experts = PREFIX + (long) numRanks * numRanks * Long.BYTES;
    this.memory = PinnedMemory.allocate(context, experts + (long) maxLocalExperts * Integer.BYTES);
    memory.segment().fill((byte) 0);
    this.prefix = memory.segment().asSlice(PREFIX, experts - PREFIX);
  }

  long deviceAddress() {
    return memory.deviceAddress();
  }

  boolean hold(long ticket) {
    return (long) LONG.getAcquire(memory.segment(), 0L) == ticket;
  }

  /// Gives a handle its count matrix and its epoch.
  void putPrefix(CudaHandleData handle) {
    putPrefix(prefix, row, handle);
    handle.countsCame(memory.segment().get(JAVA_LONG, EPOCH));
  }

  /// Gives a handle its count matrix.
  ///
  /// @param prefix i64[R][R]: rows that ranks up to and including the first send to the second
  /// @param row scratch of R words
  static void putPrefix(MemorySegment prefix, long[] row, CudaHandleData handle) {
    int numRanks = row.length;
    for (int source = 0; source < numRanks; source++) {
      for (int destination = 0; destination < numRanks; destination++) {
        long at = (long) source * numRanks + destination;
        long before = source == 0 ? 0 : prefix.getAtIndex(JAVA_LONG, at - numRanks);
        row[destination] = prefix.getAtIndex(JAVA_LONG, at) - before;
      }
      handle.setCounts(source, row);
    }
  }

  /// Gives a handle the rows of its local experts.
  ///
  /// @param alignment they are rounded up to
  void putExperts(CudaHandleData handle, int alignment) {
    int local = handle.numExperts / numRanks;
    handle.ensureExperts(local);
    for (int j = 0; j < local; j++) {
      int count = memory.segment().get(JAVA_INT, experts + j * (long) Integer.BYTES);
      int blocks = Math.ceilDiv(count, alignment);
      handle.tokensPerLocalExpert[j] = Math.multiplyExact(blocks, alignment);
    }
  }

  @Override
  public void close() {
    memory.close();
  }
}
