package io.crossdock.core;

import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.ValueLayout;
import java.util.Optional;

/// How the tokens of one rank spread over ranks and experts, computed from `topkIdx`.
///
/// A token counts once per rank however many of its experts live there. A layout can be filled
/// again by [EpBuffer#layoutInto].
///
/// Confined to the thread that uses the buffer; reading is safe for any thread once complete.
public final class Layout {
  private final int numRanks;
  private final int numNodes;
  private final int maxTokens;
  private final Tensor tokensPerRank;
  private final Tensor tokensPerNode;
  private final Tensor tokensPerExpert;
  private final Tensor tokenInRank;
  private int numTokens;
  private EngineMemory memory;
  private Tensor hostPerRank;
  private Tensor hostPerExpert;

  /// Sizes of a layout.
  ///
  /// Safe for any thread.
  ///
  /// @param maxTokens most tokens it can describe
  /// @param numRanks R
  /// @param numNodes nodes; `tokensPerNode` is absent when 1
  /// @param numExperts E
  public record Sizes(int maxTokens, int numRanks, int numNodes, int numExperts) {}

  private Layout(SegmentAllocator allocator, Sizes sizes) {
    this.numRanks = sizes.numRanks;
    this.numNodes = sizes.numNodes;
    this.maxTokens = sizes.maxTokens;
    this.tokensPerRank = Tensor.allocate(allocator, DType.I32, sizes.numRanks);
    this.tokensPerNode = Tensor.allocate(allocator, DType.I32, sizes.numNodes);
    this.tokensPerExpert = Tensor.allocate(allocator, DType.I32, sizes.numExperts);
    this.tokenInRank = Tensor.allocate(allocator, DType.U8, sizes.maxTokens, sizes.numRanks);
  }

  /// Allocates an empty layout.
  ///
  /// @param allocator where the tensors come from
  /// @param sizes what it can describe
  /// @return a layout of zero tokens
  public static Layout allocate(SegmentAllocator allocator, Sizes sizes) {
    return new Layout(allocator, sizes);
  }

  /// {@return tokens described}
  public int numTokens() {
    return numTokens;
  }

  /// {@return most tokens this layout can describe}
  public int maxTokens() {
    return maxTokens;
  }

  /// {@return R}
  public int numRanks() {
    return numRanks;
  }

  /// {@return E}
  public int numExperts() {
    return Math.toIntExact(tokensPerExpert.size(0));
  }

  /// {@return I32 `[R]`, tokens that go to each rank}
  public Tensor tokensPerRank() {
    return tokensPerRank;
  }

  /// {@return I32 `[nodes]`, tokens that go to each node; absent on one node}
  public Optional<Tensor> tokensPerNode() {
    return numNodes == 1 ? Optional.empty() : Optional.of(tokensPerNode);
  }

  /// {@return I32 `[E]`, choices of each expert}
  public Tensor tokensPerExpert() {
    return tokensPerExpert;
  }

  /// {@return U8 [tokens, R], 1 where the token goes to the rank}
  public Tensor tokenInRank() {
    return tokenInRank.firstRows(numTokens);
  }

  /// {@return tokens that go to a rank; the first reading of a layout on a device waits for it}
  ///
  /// @param rank destination
  public int tokensToRank(int rank) {
    if (hostPerRank == null) {
      hostPerRank = onHost(tokensPerRank);
    }
    return hostPerRank.segment().getAtIndex(ValueLayout.JAVA_INT_UNALIGNED, rank);
  }

  /// {@return choices of an expert; the first reading of a layout on a device waits for it}
  ///
  /// @param expert global id
  public int tokensToExpert(int expert) {
    if (hostPerExpert == null) {
      hostPerExpert = onHost(tokensPerExpert);
    }
    return hostPerExpert.segment().getAtIndex(ValueLayout.JAVA_INT_UNALIGNED, expert);
  }

  private Tensor onHost(Tensor counts) {
    return memory == null ? counts : memory.toHost(counts);
  }

  /// {@return U8 [maxTokens, R], what [#tokenInRank()] is a view of; used by engines}
  public Tensor tokenInRankBuffer() {
    return tokenInRank;
  }

  /// Used by engines when they have filled the tensors, or enqueued that.
  ///
  /// @param tokens tokens now described
  /// @param engineMemory brings counts to the host when they are asked for
  public void filled(int tokens, EngineMemory engineMemory) {
    if (tokens < 0 || tokens > maxTokens) {
      throw new InvalidInputException(
          "layout is too small: numTokens=" + tokens + ", maxTokens=" + maxTokens);
    }
    numTokens = tokens;
    memory = engineMemory;
    hostPerRank = null;
    hostPerExpert = null;
  }
}
