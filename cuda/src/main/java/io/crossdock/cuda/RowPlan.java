package io.crossdock.cuda;

import io.crossdock.core.BufferSpec;

/// How the rows of a low-latency dispatch travel through shared memory: in pieces, so that all
/// blocks have work even if there are few tokens.
///
/// Safe for any thread.
///
/// @param pieceChannels channels of a piece; the last of a row may have fewer
/// @param numPieces of a row
/// @param numStages pieces that a block casts at a time
/// @param fetchedAt byte offset of the stages that hold pieces yet to be cast; 0 for none
/// @param sharedBytes dynamic shared memory of a block
record RowPlan(int pieceChannels, int numPieces, int numStages, int fetchedAt, int sharedBytes) {
  /// Four scales of 128 channels: a word of packed ones.
  private static final int PIECE_ALIGNMENT = 512;

  private static final int MAX_PIECE_CHANNELS = 8192;

  /// `kPlanWords` of ll_plan.cuh.
  private static final int PLAN_BYTES = 8192 * Integer.BYTES;

  /// `kMaxTargets` of ll_rows.cuh.
  private static final int MAX_TARGETS = 512;

  /// `kMaxStages` of ll_rows.cuh.
  private static final int MAX_STAGES = 64;

  private static final int FIXED_BYTES = PLAN_BYTES + MAX_TARGETS * 2 * Long.BYTES;

  private static final int STAGE_ALIGNMENT = 16;

  /// What the driver keeps of a block's shared memory, and the alignment of the first byte.
  private static final int RESERVED_BYTES = 1280;

  /// `kStageHalves` of ll_rows.cuh.
  private static final int HALVES = 2;

  /// Most tokens of a rank: one expert's bits must fit into the plan.
  static final int MAX_TOKENS = (PLAN_BYTES / Integer.BYTES - 2) * Integer.SIZE;

  /// What is to be sent.
  ///
  /// Safe for any thread.
  ///
  /// @param hidden channels of a row
  /// @param isFp8 false for BF16
  /// @param numTokens of this rank
  /// @param topk K
  record Rows(int hidden, boolean isFp8, int numTokens, int topk) {
    private int stageBytes(int channels) {
      int scales = channels / BufferSpec.CHANNELS_PER_SCALE * Float.BYTES;
      int bytes = isFp8 ? channels + scales : channels * 2;
      return Math.ceilDiv(bytes, STAGE_ALIGNMENT) * STAGE_ALIGNMENT;
    }

    /// What is cast comes from memory as BF16.
    private int fetchedBytes(int channels) {
      return isFp8 ? channels * 2 : 0;
    }
  }

  /// Plans a dispatch.
  ///
  /// @param numBlocks that share the work
  /// @param maxSharedBytes most that a block can get
  static RowPlan of(Rows rows, int numBlocks, int maxSharedBytes) {
    int piece = pieceChannels(rows, numBlocks);
    int pieces = Math.ceilDiv(rows.hidden, piece);
    int stageBytes = rows.stageBytes(piece);
    int share = Math.max(1, Math.ceilDiv(Math.multiplyExact(rows.numTokens, pieces), numBlocks));
    int most = Math.min(Math.min(MAX_STAGES, MAX_TARGETS / rows.topk), share);
    int room = maxSharedBytes - RESERVED_BYTES - FIXED_BYTES;
    int fetchedBytes = rows.fetchedBytes(piece);
    int stages = Math.min(most, room / (stageBytes + fetchedBytes));
    if (stages < share) {
      stages = Math.max(1, Math.min(most, room / (HALVES * stageBytes + fetchedBytes)));
    }
    int halves = stages < share ? HALVES : 1;
    int fetchedAt = FIXED_BYTES + halves * stages * stageBytes;
    int sharedBytes = fetchedAt + stages * fetchedBytes;
    return new RowPlan(piece, pieces, stages, fetchedBytes == 0 ? 0 : fetchedAt, sharedBytes);
  }

  private static int pieceChannels(Rows rows, int numBlocks) {
    int forBlocks = Math.ceilDiv(numBlocks, Math.max(1, rows.numTokens));
    int most = Math.max(1, rows.hidden / PIECE_ALIGNMENT);
    int wanted = Math.max(Math.min(forBlocks, most), Math.ceilDiv(rows.hidden, MAX_PIECE_CHANNELS));
    if (wanted == 1) {
      return rows.hidden;
    }
    int channels = Math.ceilDiv(rows.hidden, wanted);
    return Math.ceilDiv(channels, PIECE_ALIGNMENT) * PIECE_ALIGNMENT;
  }
}
