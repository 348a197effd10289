package io.crossdock.cuda;

import io.crossdock.core.InvalidInputException;
import io.crossdock.core.Tensor;
import java.util.Objects;

/// Tensors of other libraries and tensors for them, in the form of
/// [DLPack](https://dmlc.github.io/dlpack/latest/), which all of them speak: an address of a struct
/// says where a tensor lies and how to give it back. Nothing is copied. Host memory needs no GPU
/// and no driver.
///
/// There are two structs, and the address does not tell which: in Python a capsule named `dltensor`
/// holds the plain one, one named `dltensor_versioned` the other.
///
/// Element types: BF16, FP16, F32, FP8 E4M3FN, unsigned bytes and flags, 32-bit and 64-bit
/// integers. Places: host, CUDA GPUs, host memory pinned by CUDA (a host tensor), memory managed by
/// CUDA (a tensor of the GPU that the producer names).
///
/// DLPack says nothing of the order of work on a GPU: make the producer's stream current with
/// `CudaStream.wrap`, or wait for it.
///
/// Safe for any thread.
public final class DlPack {
  private DlPack() {}

  /// Borrows a tensor given as a `DLManagedTensor`. It belongs to the answer from now on; a tensor
  /// that is refused is given back to its producer before this throws.
  ///
  /// @param managedTensorAddress address of the struct, which the caller vouches for
  /// @return the owner, to be closed
  /// @throws InvalidInputException if element type, place, shape, strides or data are not supported
  public static DlPackTensor take(long managedTensorAddress) {
    return DlPackImport.take(managedTensorAddress, DlPackLayout.PLAIN);
  }

  /// Borrows a tensor given as a `DLManagedTensorVersioned` of major version 1. It belongs to the
  /// answer from now on; a tensor that is refused is given back to its producer before this throws.
  ///
  /// @param managedTensorAddress address of the struct, which the caller vouches for
  /// @return the owner, to be closed; it knows whether the tensor may be written
  /// @throws InvalidInputException if version, element type, place, shape, strides or data are not
  ///   supported
  public static DlPackTensor takeVersioned(long managedTensorAddress) {
    return DlPackImport.take(managedTensorAddress, DlPackLayout.VERSIONED);
  }

  /// Gives a tensor away as a `DLManagedTensor`, for example a result. Its memory must live until
  /// the consumer calls the deleter; the tensor stays reachable for the garbage collector until
  /// then. A consumer that never does keeps it for ever.
  ///
  /// @param tensor of native memory
  /// @param onRelease runs once, on the consumer's thread, when it is done: close a result or an
  ///   arena here. What it throws goes to that thread's uncaught exception handler
  /// @return address of the struct
  /// @throws InvalidInputException if the tensor lies in the Java heap or may only be read
  public static long give(Tensor tensor, Runnable onRelease) {
    return give(tensor, onRelease, DlPackLayout.PLAIN);
  }

  /// Gives a tensor away as a `DLManagedTensorVersioned`, like [#give(Tensor, Runnable)]. One of a
  /// read-only segment says so.
  ///
  /// @param tensor of native memory
  /// @param onRelease runs once, on the consumer's thread, when it is done
  /// @return address of the struct
  /// @throws InvalidInputException if the tensor lies in the Java heap
  public static long giveVersioned(Tensor tensor, Runnable onRelease) {
    return give(tensor, onRelease, DlPackLayout.VERSIONED);
  }

  private static long give(Tensor tensor, Runnable onRelease, DlPackLayout layout) {
    Objects.requireNonNull(onRelease, "onRelease");
    return DlPackExport.give(tensor, layout, onRelease);
  }
}
