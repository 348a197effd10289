package io.crossdock.core;

import java.time.Duration;

/// What a buffer must be able to carry. Equal on all ranks of a group; [EpBuffer#open] compares.
///
/// Safe for any thread.
///
/// @param numMaxTokensPerRank most token rows a rank may dispatch in one call
/// @param hidden H, elements of a row; a multiple of 8 (of 128 for FP8 rows)
/// @param topk K, most choices of a token, 1 to 32
/// @param numExperts E, experts over all ranks; a multiple of the number of ranks
/// @param dtype widest row type to be dispatched: BF16, FP16 or F32 (FP8 rows always fit)
/// @param numReceiveWindows receive windows a rank owns, each holds one live borrowed result
/// @param numOutputWindows expert-output windows a rank owns
/// @param capacityRows rows a window holds; 0 picks the worst case, numRanks x numMaxTokensPerRank
/// @param mode what the buffer is opened for
/// @param enableShrink low-latency mode: a rank that does not answer in time is masked and the
///   others go on, instead of giving up the call
/// @param numQpsPerRank queue pairs per peer; handed to the scale-out transport
/// @param hostTimeout bound of every wait on the host; in low-latency mode a peer that waits itself
///   has it anew, numRanks times at most
/// @param gpuTimeout bound of every wait on a GPU
public record BufferSpec(
    int numMaxTokensPerRank,
    int hidden,
    int topk,
    int numExperts,
    DType dtype,
    int numReceiveWindows,
    int numOutputWindows,
    long capacityRows,
    Mode mode,
    boolean enableShrink,
    int numQpsPerRank,
    Duration hostTimeout,
    Duration gpuTimeout) {

  /// Largest K.
  public static final int MAX_TOPK = 32;

  /// Most experts of one rank.
  public static final int MAX_EXPERTS_PER_RANK = 1024;

  /// Longest timeout: a year.
  public static final Duration MAX_TIMEOUT = Duration.ofDays(365);

  /// Channels that share one FP8 scale.
  public static final int CHANNELS_PER_SCALE = 128;

  /// Checks everything that does not depend on the group.
  public BufferSpec {
    require(numMaxTokensPerRank >= 0, "numMaxTokensPerRank", numMaxTokensPerRank, ">= 0");
    require(hidden >= 8 && hidden % 8 == 0, "hidden", hidden, "a multiple of 8, >= 8");
    require(topk >= 1 && topk <= MAX_TOPK, "topk", topk, "1 to " + MAX_TOPK);
    int mostTokens = Integer.MAX_VALUE / topk;
    require(
        numMaxTokensPerRank <= mostTokens,
        "numMaxTokensPerRank",
        numMaxTokensPerRank,
        "<= " + mostTokens + ", so that choices can be counted");
    require(numExperts >= 1, "numExperts", numExperts, ">= 1");
    require(topk <= numExperts, "topk", topk, "<= numExperts=" + numExperts);
    require(numReceiveWindows >= 1, "numReceiveWindows", numReceiveWindows, ">= 1");
    require(numOutputWindows >= 1, "numOutputWindows", numOutputWindows, ">= 1");
    require(capacityRows >= 0, "capacityRows", capacityRows, ">= 0");
    require(numQpsPerRank >= 1, "numQpsPerRank", numQpsPerRank, ">= 1");
    if (dtype != DType.BF16 && dtype != DType.FP16 && dtype != DType.F32) {
      throw new InvalidInputException("row dtype must be BF16, FP16 or F32: dtype=" + dtype);
    }
    requirePositive(hostTimeout, "hostTimeout");
    requirePositive(gpuTimeout, "gpuTimeout");
  }

  /// Starts a spec with the defaults: BF16, two windows of each kind, worst-case capacity.
  ///
  /// @return a builder
  public static BufferSpecBuilder builder() {
    return new BufferSpecBuilder();
  }

  /// {@return rows one window holds in a group of the given size}
  ///
  /// @param numRanks R
  public long windowRows(int numRanks) {
    return capacityRows > 0
        ? capacityRows
        : Math.multiplyExact((long) numRanks, Math.max(1, numMaxTokensPerRank));
  }

  /// {@return bytes of the widest token row}
  public long maxRowBytes() {
    return (long) hidden * dtype.bytes();
  }

  /// {@return float32 scales of one FP8 row, in bytes}
  public long maxScaleBytes() {
    return 4L * ((hidden + CHANNELS_PER_SCALE - 1) / CHANNELS_PER_SCALE);
  }

  /// Bytes of registered memory that a rank needs, for deciding whether an open buffer is large
  /// enough. Normal mode on one node needs nothing in the scale-out domain. The lanes of
  /// low-latency mode are the same memory in both domains: count them once, beside what normal mode
  /// needs.
  ///
  /// @param mode what the buffer is used for
  /// @param domain where the bytes travel
  /// @param numRanks R
  /// @return bytes per rank; control pages are not counted
  public long sizeHint(Mode mode, Domain domain, int numRanks) {
    if (mode == Mode.LOW_LATENCY) {
      return lowLatencyHint(numRanks);
    }
    if (domain == Domain.SCALE_OUT) {
      return 0;
    }
    return Math.multiplyExact(windowRows(numRanks), bytesPerRow());
  }

  /// The same for ranks on nodes of equal size: what other nodes write in normal mode lands in
  /// memory of its own. What goes there takes ordinary memory until it left: up to the hint of the
  /// scale-out domain again, in low-latency mode up to the part of far ranks.
  ///
  /// @param mode what the buffer is used for
  /// @param domain where the bytes travel
  /// @param numRanks R
  /// @param numLocalRanks ranks of each node
  /// @return bytes per rank; control pages are not counted
  public long sizeHint(Mode mode, Domain domain, int numRanks, int numLocalRanks) {
    int farNodes = numRanks / numLocalRanks - 1;
    if (mode == Mode.LOW_LATENCY || domain == Domain.SCALE_UP || farNodes == 0) {
      return sizeHint(mode, domain, numRanks);
    }
    return Math.multiplyExact(
        farNodes, Math.multiplyExact((long) numMaxTokensPerRank, landingRowBytes(numLocalRanks)));
  }

  /// {@return the most bytes that a row from another node takes: the row with its scales, source
  /// token, index, positions at the ranks of the node, choices and weights; or a partial sum with
  /// its weights}
  ///
  /// @param numLocalRanks ranks of each node
  public long landingRowBytes(int numLocalRanks) {
    long dispatched = maxRowBytes() + maxScaleBytes() + 4L * (2 + numLocalRanks + 2L * topk);
    long combined = hidden * 2L + topk * 4L;
    return Math.max(dispatched, combined);
  }

  /// {@return bytes that one more row in every window takes}
  private long bytesPerRow() {
    long receive = maxRowBytes() + maxScaleBytes() + topk * 12L + 4;
    long output = hidden * 2L + topk * 4L;
    return Math.addExact(receive * numReceiveWindows, output * numOutputWindows);
  }

  /// Gives the windows by their bytes instead of their rows: the inverse of [#sizeHint] for normal
  /// mode on one node.
  ///
  /// @param bytes registered bytes of a rank, all windows together
  /// @return this spec with windows of as many rows as fit
  /// @throws InvalidInputException if not one row fits
  public BufferSpec withWindowBytes(long bytes) {
    long rows = bytes / bytesPerRow();
    require(rows >= 1, "windowBytes", bytes, ">= " + bytesPerRow());
    return new BufferSpec(
        numMaxTokensPerRank,
        hidden,
        topk,
        numExperts,
        dtype,
        numReceiveWindows,
        numOutputWindows,
        rows,
        mode,
        enableShrink,
        numQpsPerRank,
        hostTimeout,
        gpuTimeout);
  }

  /// Lanes are the same bytes whether peers write into them directly or through a network.
  private long lowLatencyHint(int numRanks) {
    long slots = Math.multiplyExact((long) numRanks, laneSlots(numRanks));
    long groupHeader = 4;
    long groups = Math.ceilDiv(hidden, CHANNELS_PER_SCALE);
    long dispatchSlot = hidden * 2L + maxScaleBytes() + Integer.BYTES;
    long combineSlot = hidden * 2L + groups * groupHeader;
    return Math.multiplyExact(slots, 2 * (dispatchSlot + combineSlot));
  }

  /// {@return rows that one rank may send to another in a low-latency call}
  ///
  /// @param numRanks R
  public long laneSlots(int numRanks) {
    return (long) numMaxTokensPerRank * Math.min(topk, numExperts / numRanks);
  }

  /// Checks the spec against a group.
  ///
  /// @param numRanks R
  /// @throws InvalidInputException if R does not divide E, or a rank would own too many experts or
  ///   might receive 2^31 rows
  public void checkGroup(int numRanks) {
    if (numRanks < 1 || numExperts % numRanks != 0) {
      throw new InvalidInputException(
          "numRanks must divide numExperts: numExperts=" + numExperts + ", numRanks=" + numRanks);
    }
    if (numExperts / numRanks > MAX_EXPERTS_PER_RANK) {
      throw new InvalidInputException(
          "too many experts per rank: numExperts="
              + numExperts
              + ", numRanks="
              + numRanks
              + ", max="
              + MAX_EXPERTS_PER_RANK);
    }
    if (numMaxTokensPerRank > Integer.MAX_VALUE / numRanks) {
      throw new InvalidInputException(
          "a rank may receive more rows than can be counted: numMaxTokensPerRank="
              + numMaxTokensPerRank
              + ", numRanks="
              + numRanks
              + ", maxRows="
              + Integer.MAX_VALUE);
    }
  }

  private static void require(boolean holds, String name, long value, String wanted) {
    if (!holds) {
      throw new InvalidInputException(
          "buffer spec is invalid: " + name + "=" + value + ", expected=" + wanted);
    }
  }

  private static void requirePositive(Duration timeout, String name) {
    if (!timeout.isPositive() || timeout.compareTo(MAX_TIMEOUT) > 0) {
      throw new InvalidInputException(
          "timeout must be positive and bounded: " + name + "=" + timeout + ", max=" + MAX_TIMEOUT);
    }
  }
}
