package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import io.crossdock.core.DType;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.Layout;
import io.crossdock.core.Tensor;
import io.crossdock.core.protocol.Failures;
import io.crossdock.core.protocol.SendPlan;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/// Reads and checks `topkIdx`, and turns it into layouts and send plans. Its arrays only grow.
///
/// Confined to the thread that runs the call.
final class RoutePlanner {
  private final int numRanks;
  private final long[] mask;
  private final int[] nodeCounts;
  private int[] expertStamp = new int[0];
  private int stamp;
  private int[] choices = new int[0];
  private int[] expertCounts = new int[0];
  private int topk;

  RoutePlanner(int numRanks) {
    this.numRanks = numRanks;
    this.mask = new long[(numRanks + Long.SIZE - 1) / Long.SIZE];
    this.nodeCounts = new int[numRanks];
  }

  /// The choices read last, [tokens, K]: global expert ids, -1 for no route.
  int[] choices() {
    return choices;
  }

  /// K of the choices read last.
  int topk() {
    return topk;
  }

  /// Choices of each expert, of the choices read last.
  int[] expertCounts() {
    return expertCounts;
  }

  /// Fills a plan from choices.
  ///
  /// @throws InvalidInputException on an id out of range or an expert repeated in a token
  void plan(Tensor topkIdx, int numExperts, SendPlan plan) {
    read(topkIdx, numExperts);
    int tokens = Math.toIntExact(topkIdx.size(0));
    int perRank = numExperts / numRanks;
    plan.start(tokens, Math.min(topk, numRanks), numRanks);
    for (int token = 0; token < tokens; token++) {
      Arrays.fill(mask, 0);
      for (int k = token * topk; k < (token + 1) * topk; k++) {
        if (choices[k] >= 0) {
          int rank = choices[k] / perRank;
          mask[rank >> 6] |= 1L << rank;
        }
      }
      plan.beginToken();
      addRanks(plan);
    }
  }

  private void addRanks(SendPlan plan) {
    for (int word = 0; word < mask.length; word++) {
      for (long bits = mask[word]; bits != 0; bits &= bits - 1) {
        plan.add(word * Long.SIZE + Long.numberOfTrailingZeros(bits));
      }
    }
  }

  /// Fills a plan from a layout alone.
  void plan(Layout layout, SendPlan plan) {
    topk = 0;
    int tokens = layout.numTokens();
    MemorySegment inRank = layout.tokenInRankBuffer().segment();
    plan.start(tokens, numRanks, numRanks);
    for (int token = 0; token < tokens; token++) {
      plan.beginToken();
      for (int rank = 0; rank < numRanks; rank++) {
        if (inRank.get(JAVA_BYTE, (long) token * numRanks + rank) != 0) {
          plan.add(rank);
        }
      }
    }
  }

  /// Checks that a layout belongs to the plan: a caller may have mixed up two batches.
  void checkLayout(Layout layout, SendPlan plan) {
    for (int rank = 0; rank < numRanks; rank++) {
      if (layout.tokensToRank(rank) != plan.count(rank)) {
        throw Failures.foreignLayout(rank, layout.tokensToRank(rank), plan.count(rank));
      }
    }
  }

  /// Fills a layout from a plan that was made from choices.
  void fillLayout(SendPlan plan, Layout target, int numLocalRanks) {
    int tokens = plan.numTokens();
    target.filled(tokens, HostMemory.INSTANCE);
    MemorySegment perRank = target.tokensPerRank().segment();
    for (int rank = 0; rank < numRanks; rank++) {
      perRank.set(JAVA_INT_UNALIGNED, rank * 4L, Math.toIntExact(plan.count(rank)));
    }
    MemorySegment.copy(
        expertCounts,
        0,
        target.tokensPerExpert().segment(),
        JAVA_INT_UNALIGNED,
        0,
        target.numExperts());
    for (int token = 0; token < tokens; token++) {
      fillRanks(plan, token, target.tokenInRankBuffer().segment());
    }
    if (target.tokensPerNode().isPresent()) {
      fillNodes(plan, target.tokensPerNode().get().segment(), numLocalRanks);
    }
  }

  private void fillRanks(SendPlan plan, int token, MemorySegment inRank) {
    int entry = plan.begin(token);
    for (int rank = 0; rank < numRanks; rank++) {
      boolean sent = entry < plan.end(token) && plan.rank(entry) == rank;
      inRank.set(JAVA_BYTE, (long) token * numRanks + rank, (byte) (sent ? 1 : 0));
      entry += sent ? 1 : 0;
    }
  }

  private void fillNodes(SendPlan plan, MemorySegment perNode, int numLocalRanks) {
    int numNodes = numRanks / numLocalRanks;
    Arrays.fill(nodeCounts, 0);
    for (int token = 0; token < plan.numTokens(); token++) {
      int last = -1;
      for (int entry = plan.begin(token); entry < plan.end(token); entry++) {
        int node = plan.rank(entry) / numLocalRanks;
        if (node != last) {
          nodeCounts[node]++;
          last = node;
        }
      }
    }
    MemorySegment.copy(nodeCounts, 0, perNode, JAVA_INT_UNALIGNED, 0, numNodes);
  }

  /// Reads choices and counts them for each expert.
  ///
  /// @throws InvalidInputException on an id out of range or an expert repeated in a token
  void read(Tensor topkIdx, int numExperts) {
    int tokens = Math.toIntExact(topkIdx.size(0));
    topk = Math.toIntExact(topkIdx.size(1));
    prepare(tokens, numExperts);
    MemorySegment ids = Memory.of(topkIdx);
    boolean wide = topkIdx.dtype() == DType.I64;
    for (int token = 0; token < tokens; token++) {
      long row = token * topkIdx.pitchBytes();
      int tokenStamp = nextStamp();
      for (int k = 0; k < topk; k++) {
        long id =
            wide
                ? ids.get(JAVA_LONG_UNALIGNED, row + k * 8L)
                : ids.get(JAVA_INT_UNALIGNED, row + k * 4L);
        if (id < -1 || id >= numExperts) {
          throw Failures.expertOutOfRange(token, k, id, numExperts);
        }
        choices[token * topk + k] = (int) id;
        if (id >= 0) {
          count((int) id, token, tokenStamp);
        }
      }
    }
  }

  private void count(int expert, int token, int tokenStamp) {
    if (expertStamp[expert] == tokenStamp) {
      throw Failures.expertRepeated(token, expert);
    }
    expertStamp[expert] = tokenStamp;
    expertCounts[expert]++;
  }

  private void prepare(int tokens, int numExperts) {
    if (choices.length < tokens * topk) {
      choices = new int[tokens * topk];
    }
    if (expertCounts.length < numExperts) {
      expertCounts = new int[numExperts];
      expertStamp = new int[numExperts];
    }
    Arrays.fill(expertCounts, 0);
  }

  private int nextStamp() {
    if (++stamp == 0) {
      Arrays.fill(expertStamp, 0);
      stamp = 1;
    }
    return stamp;
  }
}
