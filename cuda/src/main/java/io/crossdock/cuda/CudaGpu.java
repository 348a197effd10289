package io.crossdock.cuda;

import io.crossdock.core.Device;
import io.crossdock.core.EngineUnavailableException;
import io.crossdock.cuda.driver.Closing;
import io.crossdock.cuda.driver.Context;
import io.crossdock.cuda.driver.FabricProbe;
import io.crossdock.cuda.driver.Gpu;
import io.crossdock.cuda.driver.GpuTimeoutException;
import io.crossdock.cuda.driver.KernelFunction;
import io.crossdock.cuda.driver.KernelImage;
import io.crossdock.cuda.driver.KernelModule;
import io.crossdock.cuda.driver.Launch;
import io.crossdock.cuda.driver.LaunchShape;
import io.crossdock.cuda.driver.Stream;
import java.lang.foreign.Arena;
import java.time.Duration;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// What all ranks of the process share on one GPU: context, kernels, memory pool, measured rates.
/// Made once, before the first kernel of a call runs there, and kept until the process ends:
/// loading a kernel or growing a pool beside a kernel that waits for a peer could wait for ever.
///
/// Safe for any thread.
final class CudaGpu {
  /// `-Dcrossdock.cuda.debug=true` takes kernels with random delays before every flag.
  static final boolean DEBUG = Boolean.getBoolean("crossdock.cuda.debug");

  private static final Map<Integer, CudaGpu> OPEN = new HashMap<>();

  private static final Duration WARM_UP = Duration.ofMillis(200);

  /// Kernels whose rows travel through shared memory.
  private static final Kernel[] STAGING = {Kernel.PLACE_ROWS, Kernel.LL_SEND, Kernel.LL_DISPATCH};

  private final Gpu gpu;
  private final Context context;
  private final Map<Kernel, KernelFunction> functions = new EnumMap<>(Kernel.class);
  private final int[] maxSharedBytes = new int[Kernel.values().length];
  private final int numSms;
  private final GpuMemory memory;
  private final Stream service;
  private final CudaRates rates;
  private final String noFabric;

  private CudaGpu(Gpu gpu) {
    this.gpu = gpu;
    this.context = Context.retain(gpu);
    KernelModule module = load(context);
    for (Kernel kernel : Kernel.values()) {
      functions.put(kernel, module.function(kernel.entryPoint));
    }
    numSms = gpu.numSms();
    for (Kernel kernel : Kernel.values()) {
      if (kernel.isLowLatency()) {
        functions.get(kernel).preferSharedMemory();
      }
    }
    for (Kernel kernel : STAGING) {
      KernelFunction function = functions.get(kernel);
      int bytes = gpu.maxSharedBytesPerBlock() - function.staticSharedBytes();
      function.setMaxDynamicSharedBytes(bytes);
      maxSharedBytes[kernel.ordinal()] = bytes;
    }
    memory = new GpuMemory(context);
    service = Stream.create(context, Stream.Use.SERVICE);
    rates = CudaRates.measure(this);
    noFabric = FabricProbe.missing(context).orElse("");
  }

  /// Opens a GPU at the first call.
  ///
  /// @param ordinal as the driver counts
  static CudaGpu open(int ordinal) {
    synchronized (OPEN) {
      return OPEN.computeIfAbsent(ordinal, any -> new CudaGpu(Gpu.of(ordinal)));
    }
  }

  /// Gives back memory that nobody uses any more.
  static void giveBackUnused() {
    synchronized (OPEN) {
      OPEN.values().forEach(gpu -> gpu.memory.giveBackUnused());
    }
  }

  private static KernelModule load(Context context) {
    KernelImage image = DEBUG ? KernelImage.DEBUG : KernelImage.RELEASE;
    if (!image.isPresent()) {
      throw new EngineUnavailableException(
          "cuda", List.of("kernels are missing: this build was made without nvcc, image=" + image));
    }
    return KernelModule.load(context, image.read());
  }

  Gpu gpu() {
    return gpu;
  }

  Device device() {
    return Device.cuda(gpu.ordinal());
  }

  Context context() {
    return context;
  }

  KernelFunction function(Kernel kernel) {
    return functions.get(kernel);
  }

  /// Most dynamic shared memory of a block.
  ///
  /// @param kernel one whose rows travel through shared memory
  int maxSharedBytes(Kernel kernel) {
    return maxSharedBytes[kernel.ordinal()];
  }

  int numSms() {
    return numSms;
  }

  GpuMemory memory() {
    return memory;
  }

  /// The stream of short work that waits for nothing: copies between host and device, layouts and
  /// casts that a caller waits for. All ranks of the process share it, because hardware queues are
  /// few: with many streams, two ranks' streams may share a queue, and then a kernel that waits for
  /// a peer keeps the peer's from starting.
  Stream service() {
    return service;
  }

  /// A stream that has run a kernel: the first work of a stream gets it a hardware queue, which
  /// should happen before kernels wait for each other. An idle one that is taken anew has.
  ///
  /// @param use what it is for
  Stream stream(Stream.Use use) {
    Stream stream = Stream.create(context, use);
    if (stream.isNew()) {
      runNothing(stream);
    }
    return stream;
  }

  /// Closes the stream if that fails.
  private void runNothing(Stream stream) {
    try (Arena arena = Arena.ofConfined()) {
      Launch nothing = new Launch(arena, function(Kernel.BUSY_WORK), Structs.BUSY.byteSize());
      nothing.run(stream, new LaunchShape(1, 1, 0));
      stream.drain(WARM_UP);
    } catch (GpuTimeoutException _) {
      // Behind the kernel of a peer that waits, whose bound is its own.
    } catch (RuntimeException | Error e) {
      Closing.after(e, stream);
      throw e;
    }
  }

  CudaRates rates() {
    return rates;
  }

  /// Why memory of this GPU cannot have fabric handles; empty if it can.
  String noFabric() {
    return noFabric;
  }
}
