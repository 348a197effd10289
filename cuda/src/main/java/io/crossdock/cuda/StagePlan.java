package io.crossdock.cuda;

/// How a row travels through shared memory: in pieces, several of them in flight for each of the
/// warps that move rows.
///
/// Safe for any thread.
///
/// @param pieceBytes bytes of a piece, a multiple of 16; the last of a row may be shorter
/// @param numStages pieces in flight of each warp
/// @param sharedBytes dynamic shared memory of a block
record StagePlan(long pieceBytes, int numStages, int sharedBytes) {
  /// `kMovingWarps` of place.cu.
  private static final int MOVING_WARPS = 7;

  private static final long MAX_PIECE_BYTES = 16_384;
  private static final int PIECE_ALIGNMENT = 16;
  private static final int MIN_STAGES = 2;
  private static final int MAX_STAGES = 8;
  private static final long MAX_STAGE_BYTES = 200 << 10;

  /// What a block needs besides: static shared memory and what the driver keeps.
  private static final long RESERVED_BYTES = 1 << 10;

  /// For each rank: Target in place.cu, and the window that the rank chose; not more than this.
  private static final long TARGET_BYTES = 24;

  /// Alignment of what lies behind the stages.
  private static final long SLACK_BYTES = 128;

  /// Plans for rows of a size.
  ///
  /// @param rowBytes of a row, a multiple of 16
  /// @param numRanks R
  /// @param maxSharedBytes most that a block can get
  /// @param wantedStages taken if that many fit; 1 leaves the choice to the plan
  static StagePlan of(long rowBytes, int numRanks, int maxSharedBytes, int wantedStages) {
    long fixed = numRanks * TARGET_BYTES + SLACK_BYTES;
    long room = Math.min(MAX_STAGE_BYTES, maxSharedBytes - RESERVED_BYTES - fixed);
    long piece = piece(rowBytes, MAX_PIECE_BYTES);
    while (stagesIn(room, piece) < MIN_STAGES && piece > PIECE_ALIGNMENT) {
      piece = piece(piece, piece / 2);
    }
    int most = (int) Math.min(MAX_STAGES, stagesIn(room, piece));
    int stages = wantedStages > 1 && wantedStages <= most ? wantedStages : most;
    long bytes = (piece + Long.BYTES) * MOVING_WARPS * stages + fixed;
    return new StagePlan(piece, stages, Math.toIntExact(bytes));
  }

  /// The size of equal pieces of at most some bytes.
  private static long piece(long bytes, long most) {
    long pieces = Math.max(1, Math.ceilDiv(bytes, most));
    long piece = Math.ceilDiv(bytes, pieces);
    return Math.max(1, Math.ceilDiv(piece, PIECE_ALIGNMENT)) * PIECE_ALIGNMENT;
  }

  private static long stagesIn(long room, long piece) {
    return room / ((piece + Long.BYTES) * MOVING_WARPS);
  }
}
