package io.crossdock.cuda.driver;

/// How many blocks and threads a kernel runs with, all in one dimension.
///
/// Safe for any thread.
///
/// @param numBlocks of the grid
/// @param numThreads of a block
/// @param dynamicSharedBytes shared memory that each block gets besides its own
public record LaunchShape(int numBlocks, int numThreads, int dynamicSharedBytes) {

  /// Checks the numbers.
  public LaunchShape {
    if (numBlocks < 1 || numThreads < 1 || dynamicSharedBytes < 0) {
      throw new IllegalArgumentException(
          "no such launch: numBlocks="
              + numBlocks
              + ", numThreads="
              + numThreads
              + ", dynamicSharedBytes="
              + dynamicSharedBytes);
    }
  }
}
