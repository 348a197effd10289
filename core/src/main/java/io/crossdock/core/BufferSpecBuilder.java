package io.crossdock.core;

import java.time.Duration;

/// Builds a [BufferSpec] by name.
///
/// Confined to one thread.
public final class BufferSpecBuilder {
  private int numMaxTokensPerRank = 4096;
  private int hidden = 7168;
  private int topk = 8;
  private int numExperts = 256;
  private DType dtype = DType.BF16;
  private int numReceiveWindows = 2;
  private int numOutputWindows = 2;
  private long capacityRows;
  private Mode mode = Mode.NORMAL;
  private boolean enableShrink;
  private int numQpsPerRank = 1;
  private Duration hostTimeout = Duration.ofMinutes(5);
  private Duration gpuTimeout = Duration.ofSeconds(100);

  BufferSpecBuilder() {}

  /// Sets the most token rows a rank dispatches in one call.
  ///
  /// @param tokens rows, default 4096
  /// @return this
  public BufferSpecBuilder numMaxTokensPerRank(int tokens) {
    numMaxTokensPerRank = tokens;
    return this;
  }

  /// Sets H.
  ///
  /// @param elements elements of a row, default 7168
  /// @return this
  public BufferSpecBuilder hidden(int elements) {
    hidden = elements;
    return this;
  }

  /// Sets K.
  ///
  /// @param choices most choices of a token, default 8
  /// @return this
  public BufferSpecBuilder topk(int choices) {
    topk = choices;
    return this;
  }

  /// Sets E.
  ///
  /// @param experts experts over all ranks, default 256
  /// @return this
  public BufferSpecBuilder numExperts(int experts) {
    numExperts = experts;
    return this;
  }

  /// Sets the widest row type.
  ///
  /// @param widest BF16 (default), FP16 or F32
  /// @return this
  public BufferSpecBuilder dtype(DType widest) {
    dtype = widest;
    return this;
  }

  /// Sets how many windows a rank owns.
  ///
  /// @param receive receive windows, default 2
  /// @param output expert-output windows, default 2
  /// @return this
  public BufferSpecBuilder windows(int receive, int output) {
    numReceiveWindows = receive;
    numOutputWindows = output;
    return this;
  }

  /// Sets the rows a window holds. Below the worst case, owned calls are served in rounds.
  ///
  /// @param rows rows, 0 (default) for the worst case
  /// @return this
  public BufferSpecBuilder capacityRows(long rows) {
    capacityRows = rows;
    return this;
  }

  /// Sets what the buffer is for.
  ///
  /// @param use default [Mode#NORMAL]
  /// @return this
  public BufferSpecBuilder mode(Mode use) {
    mode = use;
    return this;
  }

  /// Lets low-latency calls go on without a rank that does not answer in time.
  ///
  /// @param enable default false
  /// @return this
  public BufferSpecBuilder enableShrink(boolean enable) {
    enableShrink = enable;
    return this;
  }

  /// Sets the queue pairs per peer of the scale-out transport.
  ///
  /// @param queuePairs default 1
  /// @return this
  public BufferSpecBuilder numQpsPerRank(int queuePairs) {
    numQpsPerRank = queuePairs;
    return this;
  }

  /// Sets the bound of every wait on the host. In low-latency mode a peer that waits itself has it
  /// anew, numRanks times at most.
  ///
  /// @param timeout default 300 s
  /// @return this
  public BufferSpecBuilder hostTimeout(Duration timeout) {
    hostTimeout = timeout;
    return this;
  }

  /// Sets the bound of every wait on a GPU.
  ///
  /// @param timeout default 100 s
  /// @return this
  public BufferSpecBuilder gpuTimeout(Duration timeout) {
    gpuTimeout = timeout;
    return this;
  }

  /// {@return the checked spec}
  public BufferSpec build() {
    return new BufferSpec(
        numMaxTokensPerRank,
        hidden,
        topk,
        numExperts,
        dtype,
        numReceiveWindows,
        numOutputWindows,
        capacityRows,
        mode,
        enableShrink,
        numQpsPerRank,
        hostTimeout,
        gpuTimeout);
  }
}
