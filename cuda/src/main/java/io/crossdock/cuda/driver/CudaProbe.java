package io.crossdock.cuda.driver;

import io.crossdock.core.spi.Availability;
import java.util.ArrayList;
import java.util.List;

/// Finds out whether the CUDA engine can run here.
///
/// Safe for any thread.
public final class CudaProbe {
  /// The oldest driver: the first that loads code for `sm_90a`, with its bulk copies.
  static final CudaRelease OLDEST_DRIVER = new CudaRelease(12, 0);

  /// The oldest GPU: the first with bulk copies.
  static final ComputeCapability OLDEST_GPU = new ComputeCapability(9, 0);

  private final List<String> reasons = new ArrayList<>();
  private final List<String> facts = new ArrayList<>();

  private CudaProbe() {}

  /// Looks at library, driver, GPUs and kernels. Never throws; starts the driver but makes no
  /// context.
  ///
  /// @return what was found, and everything that stands against running
  public static Availability probe() {
    CudaProbe probe = new CudaProbe();
    try {
      probe.lookAtKernels();
      probe.lookAtDriver();
    } catch (RuntimeException | LinkageError e) {
      probe.reasons.add("probe failed: error=" + e);
    }
    String description = probe.facts.isEmpty() ? "no GPU" : String.join(", ", probe.facts);
    return new Availability(description, probe.reasons);
  }

  /// {@return true if the driver runs, so that GPUs can be asked}
  public static boolean isDriverRunning() {
    return Driver.startCode() == 0;
  }

  private void lookAtKernels() {
    if (!KernelImage.RELEASE.isPresent()) {
      reasons.add("kernels are missing: this build was made without nvcc");
    }
  }

  private void lookAtDriver() {
    if (!Driver.loadReasons().isEmpty()) {
      reasons.addAll(Driver.loadReasons());
      return;
    }
    lookAtRelease();
    int code = Driver.startCode();
    if (code != 0) {
      reasons.add("driver did not start: code=" + code + ", text=" + Driver.text(code));
      return;
    }
    lookAtGpus();
  }

  /// The release can be asked for before the driver is started.
  private void lookAtRelease() {
    CudaRelease driver = Driver.release();
    facts.add("driver=" + driver);
    if (driver.compareTo(OLDEST_DRIVER) < 0) {
      reasons.add("driver is too old for sm_90a: driver=" + driver + ", needed=" + OLDEST_DRIVER);
    }
    KernelImage.builtWith()
        .filter(compiler -> compiler.major() > driver.major())
        .ifPresent(compiler -> reasons.add(tooOldFor(compiler, driver)));
  }

  /// A driver loads code of all compilers of its own major release, older ones included.
  private static String tooOldFor(CudaRelease compiler, CudaRelease driver) {
    return "driver is older than the kernels: driver="
        + driver
        + ", nvcc="
        + compiler
        + ", remedy=a driver of CUDA "
        + compiler.major()
        + ", or a build with an older nvcc";
  }

  private void lookAtGpus() {
    int count = Gpu.count();
    if (count == 0) {
      reasons.add("no GPU found: CUDA_VISIBLE_DEVICES=" + System.getenv("CUDA_VISIBLE_DEVICES"));
    }
    List<String> tooOld = new ArrayList<>();
    for (int ordinal = 0; ordinal < count; ordinal++) {
      Gpu gpu = Gpu.of(ordinal);
      ComputeCapability capability = gpu.computeCapability();
      facts.add(gpu + "=" + gpu.name());
      if (capability.compareTo(OLDEST_GPU) < 0) {
        tooOld.add(gpu + "=" + capability);
      }
    }
    // A rank that is given an old GPU beside a new one is told when it opens its buffer.
    if (count > 0 && tooOld.size() == count) {
      reasons.add("no GPU has bulk copies: computeCapability=" + tooOld + ", needed=" + OLDEST_GPU);
    }
  }
}
