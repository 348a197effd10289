package io.crossdock.cuda;

import io.crossdock.core.Device;
import io.crossdock.core.DeviceAllocator;
import io.crossdock.core.EngineMemory;
import io.crossdock.core.Tensor;
import io.crossdock.core.spi.HostCopy;
import io.crossdock.cuda.driver.GpuTimeoutException;
import io.crossdock.cuda.driver.PinnedMemory;
import io.crossdock.cuda.driver.Stream;
import io.crossdock.ffi.RawMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.time.Duration;

/// The memory of a GPU as tensors see it. Copies from and to the host go through pinned memory, and
/// wait.
///
/// Confined to the thread that uses the buffer; the allocator is safe for any.
final class CudaMemory implements EngineMemory, AutoCloseable {
  private static final long STAGE_BYTES = 8L << 20;

  private final CudaGpu gpu;
  private final Duration bound;
  private final Stream service;
  private final Object lock = new Object();
  private PinnedMemory stage;
  private final Allocator allocator;

  CudaMemory(CudaGpu gpu, Duration bound) {
    this.gpu = gpu;
    this.bound = bound;
    this.allocator = new Allocator(gpu);
    this.service = gpu.service();
    prepareStage();
  }

  /// Blocks of the pool; any alignment that a tensor asks for is that of the pool at least.
  private record Allocator(CudaGpu gpu) implements DeviceAllocator {
    @Override
    public Device device() {
      return gpu.device();
    }

    @Override
    public MemorySegment allocate(long byteSize, long byteAlignment) {
      return gpu.memory().allocate(byteSize);
    }
  }

  @Override
  public Device device() {
    return gpu.device();
  }

  @Override
  public SegmentAllocator allocator() {
    return allocator;
  }

  @Override
  public Tensor toDevice(Tensor host) {
    host.checkDevice(Device.HOST, "tensor");
    long bytes = host.spanBytes();
    MemorySegment memory = gpu.memory().allocate(bytes);
    upload(hostMemory(host), memory.address(), bytes);
    return host.movedTo(device(), memory);
  }

  @Override
  public Tensor toHost(Tensor tensor) {
    if (tensor.device().equals(Device.HOST)) {
      return tensor;
    }
    tensor.checkDevice(device(), "tensor");
    long bytes = tensor.spanBytes();
    MemorySegment memory = Arena.ofAuto().allocate(Math.max(1, bytes), 64);
    download(tensor.segment().address(), memory, bytes);
    return tensor.movedTo(Device.HOST, memory);
  }

  @Override
  public void copy(Tensor from, Tensor to) {
    HostCopy.checkAlike(from, to);
    if (from.numElements() == 0) {
      return;
    }
    boolean fromHost = from.device().equals(Device.HOST);
    boolean toHost = to.device().equals(Device.HOST);
    if (!fromHost && !toHost) {
      copyOnDevice(from, to);
      return;
    }
    Tensor source = toHost(from);
    if (toHost) {
      new HostCopy(source, hostMemory(source), to, hostMemory(to)).run();
    } else if (to.isContiguous() && source.isContiguous()) {
      upload(hostMemory(source), to.segment().address(), to.spanBytes());
    } else {
      // Gaps keep what they hold.
      Tensor image = toHost(to);
      new HostCopy(source, hostMemory(source), image, hostMemory(image)).run();
      upload(hostMemory(image), to.segment().address(), to.spanBytes());
    }
  }

  private void copyOnDevice(Tensor from, Tensor to) {
    GpuStream current = GpuStream.currentOnGpu();
    Stream stream = current == null ? service : current.driver();
    if (from.isContiguous() && to.isContiguous()) {
      stream.deviceToDevice(to.segment().address(), from.segment().address(), from.spanBytes());
    } else {
      copyRows(stream, from, to, new long[] {0, 0}, 0);
    }
    if (current == null) {
      service.drain(bound);
    }
  }

  /// @param elements where the rows begin in both tensors
  private static void copyRows(
      Stream stream, Tensor from, Tensor to, long[] elements, int dimension) {
    int last = from.numDims() - 1;
    long bytes = from.dtype().bytes();
    if (dimension == last) {
      stream.deviceToDevice(
          to.segment().address() + elements[1] * bytes,
          from.segment().address() + elements[0] * bytes,
          from.size(last) * bytes);
      return;
    }
    for (long i = 0; i < from.size(dimension); i++) {
      long[] next = {
        elements[0] + i * from.stride(dimension), elements[1] + i * to.stride(dimension)
      };
      copyRows(stream, from, to, next, dimension + 1);
    }
  }

  private static MemorySegment hostMemory(Tensor tensor) {
    return tensor.isAddressOnly()
        ? RawMemory.view(tensor.segment().address(), tensor.spanBytes())
        : tensor.segment();
  }

  private Stream stream() {
    GpuStream current = GpuStream.currentOnGpu();
    return current == null || current.isCapturing() ? service : current.driver();
  }

  private void upload(MemorySegment from, long to, long bytes) {
    synchronized (lock) {
      prepareStage();
      Stream stream = stream();
      for (long done = 0; done < bytes; done += STAGE_BYTES) {
        long part = Math.min(STAGE_BYTES, bytes - done);
        MemorySegment.copy(from, done, stage.segment(), 0, part);
        stream.hostToDevice(to + done, stage.segment().address(), part);
        finish(stream);
      }
    }
  }

  private void download(long from, MemorySegment to, long bytes) {
    synchronized (lock) {
      prepareStage();
      Stream stream = stream();
      for (long done = 0; done < bytes; done += STAGE_BYTES) {
        long part = Math.min(STAGE_BYTES, bytes - done);
        stream.deviceToHost(stage.segment().address(), from + done, part);
        finish(stream);
        MemorySegment.copy(stage.segment(), 0, to, done, part);
      }
    }
  }

  /// A copy that does not come in time may still come: its memory is never used again.
  private void finish(Stream stream) {
    try {
      stream.drain(bound);
    } catch (GpuTimeoutException e) {
      stage = null;
      throw e;
    }
  }

  private void prepareStage() {
    if (stage == null) {
      stage = PinnedMemory.allocate(gpu.context(), STAGE_BYTES);
    }
  }

  @Override
  public void close() {
    try (PinnedMemory _ = stage) {
      stage = null;
    }
  }
}
