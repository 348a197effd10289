package io.crossdock.cuda;

import io.crossdock.core.InvalidInputException;
import io.crossdock.core.Tensor;
import io.crossdock.ffi.ReleaseFunction;

/// A tensor of another library that is borrowed until this owner is closed. Closing gives it back
/// through the producer's deleter, once, however often it is closed.
///
/// Close it only when no call works on the tensor any more; on a GPU that is when the stream has
/// passed the calls. After that, host memory can no longer be touched through the tensor.
///
/// Safe for any thread.
public final class DlPackTensor implements AutoCloseable {
  private final long address;
  private final long deleter;
  private final Contents contents;
  private boolean closed;

  /// What was read of the struct.
  ///
  /// @param tensor the view
  /// @param isReadOnly true if the producer forbids to write
  /// @param endView makes the view unusable
  record Contents(Tensor tensor, boolean isReadOnly, Runnable endView) {}

  DlPackTensor(long address, long deleter, Contents contents) {
    this.address = address;
    this.deleter = deleter;
    this.contents = contents;
  }

  /// {@return the tensor, to be read; valid until this is closed}
  ///
  /// @throws IllegalStateException if it was given back
  public synchronized Tensor tensor() {
    if (closed) {
      throw new IllegalStateException("DLPack tensor was given back: " + contents.tensor);
    }
    return contents.tensor;
  }

  /// {@return the same tensor, to be written too: a place for results}
  ///
  /// @throws InvalidInputException if the producer forbids to write
  /// @throws IllegalStateException if it was given back
  public Tensor output() {
    Tensor tensor = tensor();
    if (contents.isReadOnly) {
      throw new InvalidInputException("DLPack tensor may only be read: " + tensor);
    }
    return tensor;
  }

  /// {@return true if the producer forbids to write}
  public boolean isReadOnly() {
    return contents.isReadOnly;
  }

  /// Gives the tensor back.
  ///
  /// @throws IllegalStateException if a native call of this process uses the host memory right now;
  ///   the tensor is not given back then
  @Override
  public void close() {
    synchronized (this) {
      if (closed) {
        return;
      }
      contents.endView.run();
      closed = true;
    }
    release(deleter, address);
  }

  /// Calls the producer's deleter; one without needs nothing.
  static void release(long deleter, long address) {
    if (deleter != 0) {
      ReleaseFunction.call(deleter, address);
    }
  }
}
