package io.crossdock.host;

import io.crossdock.core.spi.Availability;
import io.crossdock.core.spi.EngineBackend;
import io.crossdock.core.spi.EngineProvider;
import io.crossdock.ffi.StreamingCopy;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// Offers the host engine: every Linux machine of little-endian byte order has it.
///
/// Safe for any thread.
public final class HostEngineProvider implements EngineProvider {
  /// Called by the service loader.
  public HostEngineProvider() {}

  @Override
  public String name() {
    return "host";
  }

  @Override
  public int priority() {
    return 0;
  }

  @Override
  public Availability probe() {
    List<String> reasons = new ArrayList<>();
    if (ByteOrder.nativeOrder() != ByteOrder.LITTLE_ENDIAN) {
      reasons.add("byte order is not little-endian");
    }
    Path shared = SharedMemory.directory();
    if (!Files.isWritable(shared)) {
      reasons.add("shared memory directory is not writable: directory=" + shared);
    }
    if (!Files.isDirectory(Path.of("/proc/self/fd"))) {
      reasons.add("/proc is not mounted");
    }
    int cores = Runtime.getRuntime().availableProcessors();
    return new Availability(
        "cores="
            + cores
            + ", kernels="
            + SumKernel.pick().describe()
            + ", copy="
            + (StreamingCopy.isAvailable() ? "streaming" : "plain"),
        reasons);
  }

  @Override
  public EngineBackend open() {
    return new HostEngine();
  }
}
