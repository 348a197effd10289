package io.crossdock.host;

import io.crossdock.core.DType;
import io.crossdock.core.Tensor;
import io.crossdock.core.routing.RankInput;
import io.crossdock.core.routing.ReferenceLayout;
import io.crossdock.core.routing.RoutingReference;
import io.crossdock.core.routing.Topology;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/// Choices of one rank.
///
/// @param numRanks R
/// @param perRank E / R
/// @param topk K
/// @param tokens how many
/// @param dtype I32 or I64
/// @param padding elements between the choices of two tokens
/// @param seed of the choices
record Choices(
    int numRanks, int perRank, int topk, int tokens, DType dtype, int padding, long seed) {
  int numExperts() {
    return numRanks * perRank;
  }

  /// Different experts for each token, some of them -1.
  long[] ids() {
    SplittableRandom random = new SplittableRandom(seed);
    long[] ids = new long[tokens * topk];
    for (int token = 0; token < tokens; token++) {
      int masked = random.nextInt(4);
      List<Integer> used = new ArrayList<>();
      for (int k = 0; k < topk; k++) {
        int expert = random.nextInt(numExperts());
        boolean keep = random.nextInt(4) >= masked && !used.contains(expert);
        ids[token * topk + k] = keep ? expert : -1;
        used.add(expert);
      }
    }
    return ids;
  }

  Tensor tensor(long[] ids) {
    int pitch = topk + padding;
    MemorySegment memory =
        MemorySegment.ofArray(new byte[Math.max(1, tokens * pitch * dtype.bytes())]);
    // Padding holds ids that would be errors if they were read.
    memory.fill((byte) 0x7f);
    for (int i = 0; i < ids.length; i++) {
      long at = (long) (i / topk * pitch + i % topk) * dtype.bytes();
      if (dtype == DType.I64) {
        memory.set(ValueLayout.JAVA_LONG_UNALIGNED, at, ids[i]);
      } else {
        memory.set(ValueLayout.JAVA_INT_UNALIGNED, at, (int) ids[i]);
      }
    }
    return Tensor.strided(memory, dtype, new long[] {tokens, topk}, new long[] {pitch, 1});
  }

  ReferenceLayout reference(long[] ids) {
    RankInput input = RankInput.of(tokens, 0, MemorySegment.NULL).withTopk(topk, ids, null);
    return RoutingReference.layout(input, Topology.oneNode(numRanks, numExperts()));
  }
}
