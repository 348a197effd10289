package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import io.crossdock.core.DType;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.Tensor;
import io.crossdock.core.protocol.Failures;
import java.lang.foreign.MemorySegment;

/// Where the replies of a combine come to lie: for each choice the owner's lane and the slot in it.
/// Arrays only grow.
///
/// Confined to the thread that runs the call; read by its workers.
final class ReplyPlan {
  /// A choice that brings no row.
  static final int NONE = -1;

  private int[] owners = new int[0];
  private int[] slots = new int[0];
  private int topk;

  /// @throws InvalidInputException if a token was not dispatched to an expert that it chooses
  void plan(Tensor topkIdx, HostLowLatencyHandle handle) {
    int tokens = handle.numTokens;
    topk = Math.toIntExact(topkIdx.size(1));
    if (owners.length < tokens * topk) {
      owners = new int[tokens * topk];
      slots = new int[tokens * topk];
    }
    MemorySegment ids = Memory.of(topkIdx);
    boolean wide = topkIdx.dtype() == DType.I64;
    for (int token = 0; token < tokens; token++) {
      long row = token * topkIdx.pitchBytes();
      for (int k = 0; k < topk; k++) {
        long id =
            wide
                ? ids.get(JAVA_LONG_UNALIGNED, row + k * 8L)
                : ids.get(JAVA_INT_UNALIGNED, row + k * 4L);
        put(handle, token, k, id);
      }
    }
  }

  private void put(HostLowLatencyHandle handle, int token, int k, long id) {
    int at = token * topk + k;
    if (id == -1) {
      owners[at] = NONE;
      return;
    }
    if (id < 0 || id >= handle.numExperts) {
      throw Failures.expertOutOfRange(token, k, id, handle.numExperts);
    }
    int slot = handle.plan.slotOf(token, k, (int) id);
    if (slot < 0) {
      throw Failures.notDispatched(token, k, id);
    }
    owners[at] = handle.plan.owner((int) id);
    slots[at] = slot;
  }

  int topk() {
    return topk;
  }

  /// The rank that replies to a choice, or [#NONE].
  int owner(int token, int k) {
    return owners[token * topk + k];
  }

  int slot(int token, int k) {
    return slots[token * topk + k];
  }
}
