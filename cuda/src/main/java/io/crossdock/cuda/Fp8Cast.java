package io.crossdock.cuda;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.crossdock.core.DType;
import io.crossdock.core.Device;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.Tensor;
import io.crossdock.core.format.Fp8Groups;
import io.crossdock.core.format.Fp8Scale;
import io.crossdock.core.format.Ue8m0;
import io.crossdock.cuda.driver.GpuTimeoutException;
import io.crossdock.cuda.driver.Launch;
import io.crossdock.cuda.driver.LaunchShape;
import io.crossdock.cuda.driver.Stream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;
import java.time.Duration;
import java.util.Arrays;

/// Casts BF16 rows to FP8 E4M3FN with one scale per 128 channels on a GPU: what FP8 dispatch takes.
/// The numbers are those of [Fp8Groups] on the host.
///
/// Safe for any thread.
public final class Fp8Cast {
  private static final Duration BOUND = Duration.ofSeconds(60);
  private static final int THREADS = 256;
  private static final int WARP_THREADS = 32;

  /// Blocks of 256 threads that one multiprocessor runs at once.
  private static final int BLOCKS_PER_SM = 8;

  private Fp8Cast() {}

  /// How the kernel writes scales; the order is that of `ScaleKind` in `args.cuh`.
  enum ScaleKind {
    AMAX,
    POWER_OF_TWO,
    UE8M0
  }

  /// Casts rows. With a current CUDA stream the work is enqueued there, can be captured in a graph,
  /// and the tensors must live until it is done; without one the call waits.
  ///
  /// @param x `[tokens, H]` of BF16 on a GPU; H is a multiple of 128
  /// @param rule how scales are chosen
  /// @param codes receives `[tokens, H]` of FP8_E4M3
  /// @param scales receives `[tokens, H / 128]` of F32, or with [Fp8Scale#POWER_OF_TWO] also packed
  ///   UE8M0: `[tokens, ceil(H / 512)]` of I32, spare bytes 0
  /// @throws InvalidInputException if a dtype, a shape, a device, or the GPU of the current stream
  ///   does not fit
  /// @throws GpuTimeoutException if the GPU does not do the work within a minute; only without a
  ///   current stream
  public static void cast(Tensor x, Fp8Scale rule, Tensor codes, Tensor scales) {
    ScaleKind kind = check(x, rule, codes, scales);
    GpuStream current = GpuStream.currentOnGpu();
    if (current != null) {
      checkStream(current, x.device());
    }
    if (x.size(0) == 0) {
      return;
    }
    CudaGpu gpu = CudaGpu.open(x.device().index());
    try (Arena arena = Arena.ofConfined()) {
      Launch launch = new Launch(arena, gpu.function(Kernel.CAST_FP8), Structs.CAST.byteSize());
      write(launch.args(), x, codes, scales);
      launch.args().set(JAVA_LONG, Structs.CAST.offset("scale_kind"), kind.ordinal());
      LaunchShape shape = new LaunchShape(numBlocks(x, gpu.numSms()), THREADS, 0);
      if (current != null) {
        launch.run(current.driver(), shape);
      } else {
        Stream stream = gpu.service();
        launch.run(stream, shape);
        stream.drain(BOUND);
      }
    } finally {
      Reference.reachabilityFence(x);
      Reference.reachabilityFence(codes);
      Reference.reachabilityFence(scales);
    }
  }

  static ScaleKind check(Tensor x, Fp8Scale rule, Tensor codes, Tensor scales) {
    if (x.device().kind() != Device.Kind.CUDA) {
      throw new InvalidInputException(
          "x must lie on a GPU: device=" + x.device() + ", remedy=EpBuffer.memory().toDevice");
    }
    if (x.dtype() != DType.BF16 || x.numDims() != 2 || x.size(1) % Fp8Groups.CHANNELS != 0) {
      throw new InvalidInputException(
          "x must be [tokens, H] of BF16, H a multiple of 128: " + x.describe());
    }
    long groups = x.size(1) / Fp8Groups.CHANNELS;
    expect("codes", codes, x, DType.FP8_E4M3, x.size(1));
    if (scales.dtype() != DType.I32) {
      expect("scales", scales, x, DType.F32, groups);
      return rule == Fp8Scale.AMAX ? ScaleKind.AMAX : ScaleKind.POWER_OF_TWO;
    }
    if (rule != Fp8Scale.POWER_OF_TWO) {
      throw new InvalidInputException(
          "packed scales are powers of two: rule=" + rule + ", " + scales.describe());
    }
    expect("packed UE8M0 scales", scales, x, DType.I32, Ue8m0.numWords(Math.toIntExact(groups)));
    return ScaleKind.UE8M0;
  }

  private static void expect(String name, Tensor tensor, Tensor x, DType dtype, long columns) {
    long[] wanted = {x.size(0), columns};
    if (tensor.dtype() != dtype || !Arrays.equals(tensor.shape(), wanted)) {
      throw new InvalidInputException(
          name
              + " do not fit x: "
              + tensor.describe()
              + ", expectedDtype="
              + dtype
              + ", expectedShape="
              + Arrays.toString(wanted));
    }
    tensor.checkDevice(x.device(), name);
  }

  private static void checkStream(GpuStream current, Device device) {
    Device ofStream = Device.cuda(current.context().gpu().ordinal());
    if (!ofStream.equals(device)) {
      throw new InvalidInputException(
          "the current stream is of another GPU: streamDevice=" + ofStream + ", device=" + device);
    }
  }

  static void write(MemorySegment args, Tensor x, Tensor codes, Tensor scales) {
    write(args, "x", x);
    write(args, "codes", codes);
    write(args, "scales", scales);
    args.set(JAVA_LONG, Structs.CAST.offset("num_tokens"), x.size(0));
    args.set(JAVA_LONG, Structs.CAST.offset("hidden"), x.size(1));
  }

  private static void write(MemorySegment args, String name, Tensor tensor) {
    args.set(JAVA_LONG, Structs.CAST.offset(name), tensor.segment().address());
    args.set(JAVA_LONG, Structs.CAST.offset(name + "_pitch"), tensor.pitchBytes());
  }

  /// A warp for each group, as far as the GPU runs them at once.
  static int numBlocks(Tensor x, int numSms) {
    long groups = x.size(0) * (x.size(1) / Fp8Groups.CHANNELS);
    long warpsPerBlock = THREADS / WARP_THREADS;
    return Math.clamp((groups + warpsPerBlock - 1) / warpsPerBlock, 1, numSms * BLOCKS_PER_SM);
  }
}
