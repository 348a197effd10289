package io.crossdock.cuda;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.crossdock.cuda.driver.Context;
import io.crossdock.cuda.driver.PinnedMemory;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;

/// Reports in pinned memory, used in turn. A kernel stores its ticket last, with release, which
/// pairs with the acquire load of [#holds].
///
/// Safe for any thread.
final class ReportRing implements AutoCloseable {
  private static final VarHandle LONG = JAVA_LONG.varHandle();
  private static final long PITCH = 1024;

  private final PinnedMemory memory;
  private final int numSlots;

  ReportRing(Context context, int numSlots) {
    this.numSlots = numSlots;
    this.memory = PinnedMemory.allocate(context, numSlots * PITCH);
    memory.segment().fill((byte) 0);
  }

  int numSlots() {
    return numSlots;
  }

  /// Where a kernel reports to.
  long deviceAddress(long ticket) {
    return memory.deviceAddress() + offset(ticket);
  }

  /// True once the kernel with this ticket reported, and until a later one does.
  boolean holds(long ticket) {
    return (long) LONG.getAcquire(memory.segment(), offset(ticket)) == ticket;
  }

  /// True if the slot of a ticket holds any report since it was cleared.
  boolean isFilled(long ticket) {
    return (long) LONG.getAcquire(memory.segment(), offset(ticket)) != 0;
  }

  /// Makes the slot of a ticket ready: a kernel whose call goes well stores no outcome.
  void prepare(long ticket) {
    memory.segment().set(JAVA_LONG, offset(ticket) + Verdicts.CODE, Verdicts.PROCEED);
  }

  /// How a call ended.
  long code(long ticket) {
    return memory.segment().get(JAVA_LONG, offset(ticket) + Verdicts.CODE);
  }

  /// The epoch of a call.
  long epoch(long ticket) {
    return memory.segment().get(JAVA_LONG, offset(ticket) + Verdicts.EPOCH);
  }

  /// Forgets the report in the slot of a ticket.
  void clear(long ticket) {
    LONG.setRelease(memory.segment(), offset(ticket), 0L);
  }

  /// All that a call reported, for one that failed.
  MemorySegment report(long ticket) {
    return memory.segment().asSlice(offset(ticket), PITCH);
  }

  private long offset(long ticket) {
    return ticket % numSlots * PITCH;
  }

  @Override
  public void close() {
    memory.close();
  }
}
