package io.crossdock.core;

import java.util.Optional;

/// The zero-copy place for an expert's outputs: combine reads it where it is. Returned by
/// [EpBuffer#combineBuffer].
///
/// Combining its tensor consumes the place as soon as the call is made, so the place may be closed
/// before an asynchronous combine is complete. A combine that a rank refuses gives it back. Closing
/// one that was never combined gives it back.
///
/// Confined to the thread that uses the buffer, except [#close()], which is safe for any thread.
public final class CombineBuffer implements AutoCloseable {
  private final Tensor tensor;
  private final Optional<Tensor> topkWeights;
  private final Runnable release;

  CombineBuffer(Tensor tensor, Optional<Tensor> topkWeights, Runnable release) {
    this.tensor = tensor;
    this.topkWeights = topkWeights;
    this.release = release;
  }

  /// {@return BF16 [n, H] to write expert outputs into, then to give to combine}
  public Tensor tensor() {
    return tensor;
  }

  /// {@return F32 [n, K] to write weights into, if the dispatch had top-k}
  public Optional<Tensor> topkWeights() {
    return topkWeights;
  }

  /// Gives the place back if it was not combined. Idempotent.
  @Override
  public void close() {
    release.run();
  }
}
