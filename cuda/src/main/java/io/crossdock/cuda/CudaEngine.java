package io.crossdock.cuda;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.Mode;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.core.spi.EngineBackend;
import io.crossdock.core.spi.EngineSession;
import io.crossdock.cuda.driver.Closing;
import io.crossdock.cuda.driver.Gpu;
import java.util.List;
import java.util.stream.IntStream;

/// The GPU engine: ranks are threads or processes of one machine, each with a GPU or a part of one;
/// windows are device memory that all reach.
///
/// Safe for any thread.
final class CudaEngine implements EngineBackend {
  static final String NAME = "cuda";
  private static final String ANY = "any";

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public boolean supports(Mode mode) {
    return true;
  }

  @Override
  public EngineSession openSession(BufferSpec spec, ProcessGroup group) {
    CudaGeometry geometry = CudaGeometry.of(spec, group.size());
    CudaGpu gpu = null;
    RuntimeException failure = null;
    try {
      gpu = CudaGpu.open(ordinal(group));
    } catch (RuntimeException e) {
      failure = e;
    }
    Resources resources = new Resources();
    try {
      PeerLinks links = resources.add(PeerLinks.exchange(gpu, group, geometry.byteSize, failure));
      return open(new CudaContext.Parts(spec, gpu, links, resources), group);
    } catch (RuntimeException | Error e) {
      Closing.after(e, resources);
      throw e;
    }
  }

  /// Everything is allocated on all ranks before the first kernel of any runs.
  private static CudaSession open(CudaContext.Parts parts, ProcessGroup group) {
    CudaSession session = null;
    RuntimeException failure = null;
    try {
      checkShare(parts.gpu(), parts.links());
      session = new CudaSession(new CudaContext(parts), group, parts.resources());
    } catch (RuntimeException e) {
      failure = e;
    }
    PeerLinks.agree(group, failure);
    return session;
  }

  private static void checkShare(CudaGpu gpu, PeerLinks links) {
    if (links.ranksOnGpu() > gpu.numSms()) {
      throw new InvalidInputException(
          "more ranks share a GPU than it has multiprocessors: ranksOnGpu="
              + links.ranksOnGpu()
              + ", multiprocessors="
              + gpu.numSms());
    }
  }

  private static int ordinal(ProcessGroup group) {
    List<Gpu> gpus = gpus();
    return gpus.get(group.localRank() % gpus.size()).ordinal();
  }

  /// The GPUs that ranks of a node take in turn: all, or the one that `-Dcrossdock.cuda.device`
  /// names.
  static List<Gpu> gpus() {
    String chosen = System.getProperty("crossdock.cuda.device", ANY);
    return chosen.equals(ANY)
        ? IntStream.range(0, Gpu.count()).mapToObj(Gpu::of).toList()
        : List.of(Gpu.of(Integer.parseInt(chosen)));
  }
}
