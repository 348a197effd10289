package io.crossdock.core.spi;

import io.crossdock.core.InvalidInputException;
import io.crossdock.core.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/// A copy of all elements of a tensor whose memory the host can touch, row by row: gaps keep what
/// they hold.
///
/// Safe for any thread.
///
/// @param from the shape and strides of the source
/// @param source its memory
/// @param to the shape and strides of the target
/// @param target its memory
public record HostCopy(Tensor from, MemorySegment source, Tensor to, MemorySegment target) {

  /// Checks that one tensor can be copied to another.
  ///
  /// @param from the source
  /// @param to the target
  /// @throws InvalidInputException if dtype or shape differ
  public static void checkAlike(Tensor from, Tensor to) {
    if (from.dtype() != to.dtype() || !Arrays.equals(from.shape(), to.shape())) {
      throw new InvalidInputException("tensors differ: from=" + from + ", to=" + to);
    }
  }

  /// Copies.
  public void run() {
    if (from.numElements() > 0) {
      copy(0, 0, 0);
    }
  }

  private void copy(int dimension, long fromElement, long toElement) {
    int last = from.numDims() - 1;
    long bytes = from.dtype().bytes();
    if (dimension == last) {
      long length = from.size(last) * bytes;
      MemorySegment.copy(source, fromElement * bytes, target, toElement * bytes, length);
      return;
    }
    for (long i = 0; i < from.size(dimension); i++) {
      long next = fromElement + i * from.stride(dimension);
      copy(dimension + 1, next, toElement + i * to.stride(dimension));
    }
  }
}
