package io.crossdock.core;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.util.Arrays;
import java.util.Objects;

/// A view of memory as a dense array of elements: where it lies, its element type, shape and
/// strides.
///
/// A tensor on a device other than the host is an address only: its segment has no length, so that
/// touching it from Java throws. [EngineMemory] brings tensors to a device and back.
///
/// A tensor owns nothing. Memory is given as a [MemorySegment] (native or heap) or as a raw address
/// whose lifetime the caller vouches for. Strides count elements, not bytes. The last dimension
/// must be contiguous; outer dimensions may be strided, so a slice of columns is a legal row
/// tensor.
///
/// Safe for any thread; the memory itself is not guarded.
public final class Tensor {
  private static final long ALIGNMENT_BYTES = 64;

  private final Device device;
  private final MemorySegment segment;
  private final DType dtype;
  private final long[] shape;
  private final long[] strides;

  private Tensor(Device device, MemorySegment segment, DType dtype, long[] shape, long[] strides) {
    this.device = device;
    this.segment = segment;
    this.dtype = dtype;
    this.shape = shape;
    this.strides = strides;
  }

  /// Views a segment as a contiguous tensor starting at its first byte.
  ///
  /// @param segment memory of at least the tensor's bytes
  /// @param dtype element type
  /// @param shape sizes, outermost first; a size may be 0
  /// @return the view
  /// @throws InvalidInputException if a size is negative, or the segment or 64 bits are too small
  public static Tensor of(MemorySegment segment, DType dtype, long... shape) {
    return of(Device.HOST, segment, dtype, shape);
  }

  /// Views a segment on a device as a contiguous tensor starting at its first byte.
  ///
  /// @param device where the memory lies
  /// @param segment memory of at least the tensor's bytes, or of no length: an address alone
  /// @param dtype element type
  /// @param shape sizes, outermost first; a size may be 0
  /// @return the view
  /// @throws InvalidInputException if a size is negative, or the segment or 64 bits are too small
  public static Tensor of(Device device, MemorySegment segment, DType dtype, long... shape) {
    checkSizes(dtype, shape);
    return checked(device, segment, dtype, shape.clone(), contiguousStrides(shape));
  }

  /// Views a segment as a strided tensor.
  ///
  /// @param segment memory that holds every element the strides reach
  /// @param dtype element type
  /// @param shape sizes, outermost first
  /// @param strides distance in elements between neighbours of each dimension; the last is 1
  /// @return the view
  /// @throws InvalidInputException if sizes and strides do not fit each other or the segment
  public static Tensor strided(MemorySegment segment, DType dtype, long[] shape, long[] strides) {
    return strided(Device.HOST, segment, dtype, shape, strides);
  }

  /// Views a segment on a device as a strided tensor.
  ///
  /// @param device where the memory lies
  /// @param segment memory that holds every element the strides reach, or of no length: an address
  ///   alone
  /// @param dtype element type
  /// @param shape sizes, outermost first
  /// @param strides distance in elements between neighbours of each dimension; the last is 1
  /// @return the view
  /// @throws InvalidInputException if sizes and strides do not fit each other or the segment
  public static Tensor strided(
      Device device, MemorySegment segment, DType dtype, long[] shape, long[] strides) {
    checkSizes(dtype, shape);
    return checked(device, segment, dtype, shape.clone(), strides.clone());
  }

  /// A tensor that owns its shape and strides, once its sizes were checked.
  private static Tensor checked(
      Device device, MemorySegment segment, DType dtype, long[] shape, long[] strides) {
    Objects.requireNonNull(device, "device");
    MemorySegment memory = device.equals(Device.HOST) ? segment : addressOf(device, segment);
    Tensor tensor = new Tensor(device, memory, dtype, shape, strides);
    tensor.checkShape();
    long bytes = tensor.checkedSpanBytes();
    boolean addressOnly = segment.isNative() && segment.byteSize() == 0;
    if (bytes > 0 && !addressOnly && segment.byteSize() < bytes) {
      throw new InvalidInputException(
          "segment is too small for the tensor: "
              + tensor.describe()
              + ", neededBytes="
              + bytes
              + ", segmentBytes="
              + segment.byteSize());
    }
    return tensor;
  }

  /// Views memory as a contiguous tensor whose last two dimensions are column-major: neighbours of
  /// the last but one dimension are neighbours in memory. Calls take no such tensors; scales of a
  /// low-latency dispatch come as such.
  ///
  /// @param device where the memory lies
  /// @param segment memory of all elements, or of no length: an address alone
  /// @param dtype element type
  /// @param shape sizes, outermost first, at least two
  /// @return the view
  /// @throws InvalidInputException if the segment is too small
  public static Tensor columnMajor(
      Device device, MemorySegment segment, DType dtype, long... shape) {
    Tensor plain = of(device, segment, dtype, shape);
    int last = shape.length - 1;
    long[] strides = plain.strides.clone();
    strides[last - 1] = 1;
    strides[last] = Math.max(1, shape[last - 1]);
    return new Tensor(device, plain.segment, dtype, plain.shape, strides);
  }

  /// {@return a tensor of the same dtype, shape and strides in other memory}
  ///
  /// @param target where that memory lies
  /// @param memory of at least [#spanBytes()], or of no length: an address alone
  public Tensor movedTo(Device target, MemorySegment memory) {
    MemorySegment moved = target.equals(Device.HOST) ? memory : addressOf(target, memory);
    return new Tensor(target, moved, dtype, shape, strides);
  }

  private static MemorySegment addressOf(Device device, MemorySegment segment) {
    if (!segment.isNative()) {
      throw new InvalidInputException(
          "a tensor on a device needs native memory: device=" + device + ", segment=" + segment);
    }
    return segment.asSlice(0, 0);
  }

  /// Views raw native memory. The caller vouches that the memory lives as long as a call uses it.
  ///
  /// @param address first byte; 0 only for an empty tensor
  /// @param dtype element type
  /// @param shape sizes, outermost first
  /// @return the view
  public static Tensor ofAddress(long address, DType dtype, long... shape) {
    return ofAddress(Device.HOST, address, dtype, shape);
  }

  /// Views raw memory of a device. The caller vouches that the memory lives as long as a call uses
  /// it.
  ///
  /// @param device where the memory lies
  /// @param address first byte, as the device counts; 0 only for an empty tensor
  /// @param dtype element type
  /// @param shape sizes, outermost first
  /// @return the view
  public static Tensor ofAddress(Device device, long address, DType dtype, long... shape) {
    Tensor tensor = of(device, MemorySegment.ofAddress(address), dtype, shape);
    if (address == 0 && tensor.numElements() > 0) {
      throw new InvalidInputException("tensor address is null: " + tensor.describe());
    }
    return tensor;
  }

  /// Allocates a contiguous tensor, aligned to 64 bytes. It lies on the host unless the allocator
  /// is a [DeviceAllocator].
  ///
  /// @param allocator where the memory comes from, for example an arena
  /// @param dtype element type
  /// @param shape sizes, outermost first
  /// @return the tensor; its content is what the allocator hands out
  public static Tensor allocate(SegmentAllocator allocator, DType dtype, long... shape) {
    checkSizes(dtype, shape);
    long bytes = product(shape) * dtype.bytes();
    Device device = DeviceAllocator.deviceOf(allocator);
    return of(device, allocator.allocate(bytes, ALIGNMENT_BYTES), dtype, shape);
  }

  /// {@return where the memory lies}
  public Device device() {
    return device;
  }

  /// {@return the memory; zero-length when the tensor was given as a raw address or lies on a
  /// device other than the host}
  public MemorySegment segment() {
    return segment;
  }

  /// {@return the element type}
  public DType dtype() {
    return dtype;
  }

  /// {@return the number of dimensions}
  public int numDims() {
    return shape.length;
  }

  /// {@return the size of a dimension in elements}
  ///
  /// @param dimension 0 is the outermost
  public long size(int dimension) {
    return shape[dimension];
  }

  /// {@return the stride of a dimension in elements}
  ///
  /// @param dimension 0 is the outermost
  public long stride(int dimension) {
    return strides[dimension];
  }

  /// {@return a copy of the shape}
  public long[] shape() {
    return shape.clone();
  }

  /// {@return the product of all sizes}
  public long numElements() {
    return product(shape);
  }

  /// {@return bytes of one entry of the last dimension's row, without padding}
  public long rowBytes() {
    return shape[shape.length - 1] * dtype.bytes();
  }

  /// {@return distance in bytes between two neighbours of the outermost dimension}
  public long pitchBytes() {
    return strides[0] * dtype.bytes();
  }

  /// {@return true if the elements lie without gaps in row-major order}
  public boolean isContiguous() {
    return numElements() == 0 || isRowMajor();
  }

  /// Allocates nothing.
  private boolean isRowMajor() {
    long stride = 1;
    for (int i = shape.length - 1; i >= 0; i--) {
      if (strides[i] != stride) {
        return false;
      }
      stride *= shape[i];
    }
    return true;
  }

  /// {@return true if only an address is known, so that an engine must resolve it}
  public boolean isAddressOnly() {
    return segment.isNative() && segment.byteSize() == 0 && numElements() > 0;
  }

  /// {@return bytes from the first to behind the last element}
  public long spanBytes() {
    if (numElements() == 0) {
      return 0;
    }
    long last = 0;
    for (int i = 0; i < shape.length; i++) {
      last = Math.addExact(last, Math.multiplyExact(shape[i] - 1, strides[i]));
    }
    return Math.multiplyExact(last + 1, dtype.bytes());
  }

  /// {@return the first rows of this tensor as a tensor}
  ///
  /// @param numRows rows to keep; at most the outermost size
  public Tensor firstRows(long numRows) {
    if (numRows < 0 || numRows > shape[0]) {
      throw new InvalidInputException("rows out of range: numRows=" + numRows + ", " + describe());
    }
    long[] part = shape.clone();
    part[0] = numRows;
    return new Tensor(device, segment, dtype, part, strides);
  }

  /// Checks that the tensor lies where an engine can reach it.
  ///
  /// @param engineDevice where it must lie
  /// @param name what the tensor is called in the message
  /// @throws InvalidInputException if it lies elsewhere
  public void checkDevice(Device engineDevice, String name) {
    if (!device.equals(engineDevice)) {
      throw new InvalidInputException(
          name
              + " lies on another device: device="
              + device
              + ", engineDevice="
              + engineDevice
              + ", remedy=EpBuffer.memory().toDevice");
    }
  }

  /// {@return dtype and shape as `key=value` facts}
  public String describe() {
    return "dtype=" + dtype + ", shape=" + Arrays.toString(shape);
  }

  @Override
  public String toString() {
    String where = device.equals(Device.HOST) ? "" : ", device=" + device;
    return "Tensor[" + describe() + ", strides=" + Arrays.toString(strides) + where + "]";
  }

  /// Every later product of sizes fits into 64 bits, also that of a tensor with an empty dimension.
  private static void checkSizes(DType dtype, long[] shape) {
    long bytes = dtype.bytes();
    for (long size : shape) {
      long factor = Math.max(1, size);
      if (size < 0 || Math.multiplyHigh(bytes, factor) != 0 || bytes * factor < 0) {
        throw new InvalidInputException(
            "tensor size is negative or too large: dtype="
                + dtype
                + ", shape="
                + Arrays.toString(shape));
      }
      bytes *= factor;
    }
  }

  private long checkedSpanBytes() {
    try {
      return spanBytes();
    } catch (ArithmeticException e) {
      throw new InvalidInputException("tensor strides are too large: " + this);
    }
  }

  private void checkShape() {
    if (shape.length == 0 || shape.length != strides.length) {
      throw new InvalidInputException(
          "tensor needs one stride per dimension: numDims="
              + shape.length
              + ", numStrides="
              + strides.length);
    }
    for (long stride : strides) {
      if (stride < 0) {
        throw new InvalidInputException("tensor strides must not be negative: " + this);
      }
    }
    if (strides[shape.length - 1] != 1 && numElements() > 0) {
      throw new InvalidInputException("last dimension must be contiguous: " + this);
    }
  }

  private static long[] contiguousStrides(long[] shape) {
    long[] strides = new long[shape.length];
    long stride = 1;
    for (int i = shape.length - 1; i >= 0; i--) {
      strides[i] = stride;
      stride = Math.multiplyExact(stride, Math.max(1, shape[i]));
    }
    return strides;
  }

  private static long product(long[] shape) {
    long elements = 1;
    for (long size : shape) {
      elements = Math.multiplyExact(elements, size);
    }
    return elements;
  }
}
