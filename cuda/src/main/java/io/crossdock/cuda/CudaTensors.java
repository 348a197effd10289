package io.crossdock.cuda;

import io.crossdock.core.DType;
import io.crossdock.core.Device;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.Tensor;
import io.crossdock.cuda.driver.PointerInfo;
import java.lang.foreign.MemorySegment;
import java.util.function.LongFunction;

/// Tensors of raw GPU memory: what other libraries allocated with the same driver. The driver is
/// asked where an address lies and whether the tensor fits there, so that a wrong one is an error
/// here and not a fault of a kernel, which would end the process's use of the GPU.
///
/// Safe for any thread.
public final class CudaTensors {
  private CudaTensors() {}

  /// Views GPU memory as a contiguous tensor. The caller vouches that it lives as long as a call
  /// uses it.
  ///
  /// @param address of the first element, as the GPU counts
  /// @param dtype element type
  /// @param shape sizes, outermost first
  /// @return the view, on the GPU that the memory belongs to
  /// @throws InvalidInputException if no GPU memory lies there, or less than the tensor needs
  public static Tensor wrap(long address, DType dtype, long... shape) {
    Tensor tensor = Tensor.ofAddress(address, dtype, shape);
    return locate(address, tensor, PointerInfo::of);
  }

  /// Views GPU memory as a strided tensor. The caller vouches that it lives as long as a call uses
  /// it.
  ///
  /// @param address of the first element, as the GPU counts
  /// @param dtype element type
  /// @param shape sizes, outermost first
  /// @param strides distance in elements between neighbours of each dimension; the last is 1
  /// @return the view, on the GPU that the memory belongs to
  /// @throws InvalidInputException if no GPU memory lies there, or less than the tensor needs
  public static Tensor wrapStrided(long address, DType dtype, long[] shape, long[] strides) {
    Tensor tensor = Tensor.strided(MemorySegment.ofAddress(address), dtype, shape, strides);
    return locate(address, tensor, PointerInfo::of);
  }

  /// Puts a tensor onto the device of its address.
  ///
  /// @param driver what is known of an address
  static Tensor locate(long address, Tensor tensor, LongFunction<PointerInfo> driver) {
    PointerInfo info = driver.apply(address);
    boolean onGpu =
        info.kind() == PointerInfo.Kind.DEVICE || info.kind() == PointerInfo.Kind.MANAGED;
    if (!onGpu || info.ordinal() < 0) {
      throw new InvalidInputException(
          "no GPU memory lies there: "
              + facts(address, tensor)
              + ", kind="
              + info.kind()
              + ", remedy=Tensor.ofAddress for host memory, EpBuffer.memory().toDevice for a copy");
    }
    if (address % tensor.dtype().bytes() != 0) {
      throw new InvalidInputException(
          "address is not a multiple of the element size: " + facts(address, tensor));
    }
    checkRange(address, tensor, info, driver);
    return Tensor.strided(
        Device.cuda(info.ordinal()),
        MemorySegment.ofAddress(address),
        tensor.dtype(),
        tensor.shape(),
        strides(tensor));
  }

  /// Memory that a pool mapped piece by piece is one range of addresses, and the driver tells of
  /// one piece at a time. A range that the driver does not know is not checked.
  private static void checkRange(
      long address, Tensor tensor, PointerInfo first, LongFunction<PointerInfo> driver) {
    long needed = tensor.spanBytes();
    PointerInfo piece = first;
    long known = piece.rangeStart() + piece.rangeBytes() - address;
    while (piece.rangeBytes() != 0 && known < needed) {
      PointerInfo next = driver.apply(address + known);
      boolean continues =
          next.kind() == first.kind()
              && next.ordinal() == first.ordinal()
              && next.rangeBytes() > 0
              && next.rangeStart() == address + known;
      if (!continues) {
        throw new InvalidInputException(
            "GPU memory is too small for the tensor: "
                + facts(address, tensor)
                + ", neededBytes="
                + needed
                + ", bytesFromAddress="
                + known
                + ", device=cuda:"
                + first.ordinal());
      }
      piece = next;
      known += piece.rangeBytes();
    }
  }

  private static long[] strides(Tensor tensor) {
    long[] strides = new long[tensor.numDims()];
    for (int i = 0; i < strides.length; i++) {
      strides[i] = tensor.stride(i);
    }
    return strides;
  }

  private static String facts(long address, Tensor tensor) {
    return "address=0x" + Long.toHexString(address) + ", " + tensor.describe();
  }
}
