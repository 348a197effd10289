package io.crossdock.ucx;

import io.crossdock.ucx.binding.Operation;
import io.crossdock.ucx.binding.Status;
import java.lang.foreign.SegmentAllocator;

/// The operations to one peer: free, being filled, or under way. They are made as they are needed;
/// their number bounds what is under way.
///
/// Confined to one thread at a time.
final class Slots {
  private final Operation[] free;
  private final Operation[] underWay;
  private final Traffic traffic;
  private final SegmentAllocator allocator;
  private int numMade;
  private int numFree;
  private int numUnderWay;

  Slots(int count, SegmentAllocator allocator, Traffic traffic) {
    free = new Operation[count];
    underWay = new Operation[count];
    this.allocator = allocator;
    this.traffic = traffic;
  }

  boolean hasFree() {
    return numFree > 0 || numMade < free.length;
  }

  int numUnderWay() {
    return numUnderWay;
  }

  /// Operations that are being filled or under way.
  int numTaken() {
    return numMade - numFree;
  }

  /// An operation to be filled.
  Operation take() {
    Operation operation = numFree > 0 ? free[--numFree] : make();
    operation.clear();
    traffic.pending++;
    return operation;
  }

  private Operation make() {
    numMade++;
    return new Operation(allocator);
  }

  /// Takes note that an operation has begun, and may have ended at once.
  void begun(Operation operation) {
    if (operation.isUnderWay()) {
      underWay[numUnderWay++] = operation;
      traffic.underWay++;
    } else {
      giveBack(operation);
    }
  }

  void giveBack(Operation operation) {
    free[numFree++] = operation;
    traffic.pending--;
  }

  /// Takes back what has ended.
  ///
  /// @return 0, or how one of them failed
  byte reap() {
    byte failure = Status.OK;
    int kept = 0;
    for (int i = 0; i < numUnderWay; i++) {
      Operation operation = underWay[i];
      byte status = operation.poll();
      if (status == Status.IN_PROGRESS) {
        underWay[kept++] = operation;
        continue;
      }
      traffic.underWay--;
      giveBack(operation);
      failure = status == Status.OK ? failure : status;
    }
    numUnderWay = kept;
    return failure;
  }
}
