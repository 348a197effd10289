package io.crossdock.cuda;

import io.crossdock.core.Device;
import io.crossdock.core.DeviceInfo;
import io.crossdock.cuda.driver.Context;
import io.crossdock.cuda.driver.CudaProbe;
import io.crossdock.cuda.driver.FabricProbe;
import io.crossdock.cuda.driver.Gpu;
import io.crossdock.cuda.driver.KernelFunction;
import io.crossdock.cuda.driver.KernelImage;
import io.crossdock.cuda.driver.PeerAttribute;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/// Tells what the engine found: driver, GPUs, the ways between them, kernels, and how many
/// multiprocessors a rank would use.
///
/// Safe for any thread.
final class CudaDoctor {
  private static final Path KERNEL_DRIVER = Path.of("/sys/module/nvidia/version");
  private static final double GIB = 1L << 30;
  private static final int MIB_SHIFT = 20;
  private static final double MHZ = 1_000;
  private static final int[] RANKS = {1, 2, 4, 8};

  private final List<String> lines = new ArrayList<>();

  private CudaDoctor() {}

  /// {@return a line for each thing found; what cannot be asked says why, and nothing is thrown}
  static List<String> details() {
    CudaDoctor doctor = new CudaDoctor();
    doctor.attempt("kernels of this build", doctor::build);
    if (CudaProbe.isDriverRunning()) {
      doctor.attempt("GPUs", doctor::gpus);
    }
    return doctor.lines;
  }

  /// {@return what reports say of a GPU; asking makes no context}
  static DeviceInfo info(Gpu gpu) {
    return new DeviceInfo(
        Device.cuda(gpu.ordinal()),
        gpu.name(),
        gpu.numSms(),
        gpu.totalBytes(),
        gpu.l2Bytes(),
        facts(gpu));
  }

  private static String facts(Gpu gpu) {
    return String.format(
        Locale.ROOT,
        "%s, %d SMs, compute capability %s, %.1f GiB, L2 %d MiB, clocks up to %.0f MHz (memory"
            + " %.0f MHz), driver %s (CUDA %s)",
        gpu.name(),
        gpu.numSms(),
        gpu.computeCapability(),
        gpu.totalBytes() / GIB,
        gpu.l2Bytes() >> MIB_SHIFT,
        gpu.clockKiloHertz() / MHZ,
        gpu.memoryClockKiloHertz() / MHZ,
        kernelDriver().orElse("of unknown version"),
        Gpu.driverRelease());
  }

  /// {@return the version of the driver in the kernel, for example `580.65.06`}
  private static Optional<String> kernelDriver() {
    try {
      return Optional.of(Files.readString(KERNEL_DRIVER).strip());
    } catch (IOException e) {
      return Optional.empty();
    }
  }

  private void build() {
    lines.add(
        "kernels of this build: "
            + KernelImage.architectures().orElse("none, made without nvcc")
            + KernelImage.builtWith().map(release -> ", nvcc " + release).orElse(""));
  }

  private void gpus() {
    int count = Gpu.count();
    List<Gpu> gpus = new ArrayList<>();
    for (int ordinal = 0; ordinal < count; ordinal++) {
      gpus.add(Gpu.of(ordinal));
    }
    for (Gpu gpu : gpus) {
      attempt(gpu.toString(), () -> lines.add(gpu + ": " + facts(gpu)));
      attempt(gpu + " memory", () -> place(gpu));
      attempt(gpu + " peers", () -> peers(gpu, gpus));
      attempt(gpu + " kernels", () -> kernels(gpu));
    }
  }

  private void place(Gpu gpu) {
    try (Context context = Context.retain(gpu)) {
      lines.add(
          String.format(
              Locale.ROOT,
              "%s: %.1f of %.1f GiB free, pci %s, uuid %s, fabric handles %s",
              gpu,
              context.freeBytes() / GIB,
              gpu.totalBytes() / GIB,
              gpu.pciBusId(),
              gpu.uuid(),
              FabricProbe.missing(context).map(why -> "no (" + why + ")").orElse("yes")));
    }
  }

  private void peers(Gpu gpu, List<Gpu> all) {
    List<String> ways = new ArrayList<>();
    for (Gpu peer : all) {
      if (peer.ordinal() != gpu.ordinal()) {
        ways.add(peer + " " + way(gpu, peer));
      }
    }
    lines.add(gpu + " reaches: " + (ways.isEmpty() ? "itself" : String.join(", ", ways)));
  }

  /// Atomics of the hardware cross NVLink and not PCIe.
  private static String way(Gpu gpu, Gpu peer) {
    if (!gpu.canAccessPeer(peer)) {
      return "not";
    }
    String link =
        gpu.attribute(PeerAttribute.NATIVE_ATOMIC_SUPPORTED, peer) != 0 ? "NVLink" : "PCIe";
    return link + " (rank " + gpu.attribute(PeerAttribute.PERFORMANCE_RANK, peer) + ")";
  }

  private void kernels(Gpu gpu) {
    CudaGpu opened = CudaGpu.open(gpu.ordinal());
    for (Kernel kernel : Kernel.values()) {
      KernelFunction function = opened.function(kernel);
      lines.add(
          gpu
              + " kernel "
              + kernel.entryPoint
              + ": registers="
              + function.numRegisters()
              + ", staticSharedBytes="
              + function.staticSharedBytes()
              + ", localBytes="
              + function.localBytes()
              + ", threads="
              + function.maxThreads());
    }
    lines.add(gpu + " rates: " + rates(opened.rates(), opened.numSms()));
  }

  /// What was measured, and the multiprocessors of a rank that follow when nobody says how many.
  static String rates(CudaRates rates, int numSms) {
    List<String> choices = new ArrayList<>();
    for (int ranks : RANKS) {
      choices.add(rates.choose(numSms, ranks, LinkRates.NO_LINK) + " of " + ranks);
    }
    return String.format(
        Locale.ROOT,
        "a multiprocessor copies %.1f GB/s, all %.0f GB/s (read + write count twice that);"
            + " numSms=0 means for each rank: %s",
        rates.perSm() / 1e3,
        rates.limit() / 1e3,
        String.join(", ", choices));
  }

  private void attempt(String what, Runnable ask) {
    try {
      ask.run();
    } catch (RuntimeException | LinkageError e) {
      lines.add(what + ": cannot be asked: cause=" + e.getMessage());
    }
  }
}
