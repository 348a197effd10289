package io.crossdock.cuda;

import io.crossdock.cuda.driver.Context;
import io.crossdock.cuda.driver.Stream;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/// How fast a GPU reaches the memory of others, in bytes a microsecond: copies of some of a peer's
/// windows, some milliseconds for each pair of GPUs, once a process.
///
/// Safe for any thread.
final class LinkRates {
  /// All ranks share one GPU.
  static final double NO_LINK = Double.POSITIVE_INFINITY;

  private static final long MOST_BYTES = 32L << 20;

  /// Of fewer bytes a copy says more of its start than of the link.
  private static final long LEAST_BYTES = 4L << 20;

  private static final Map<String, Double> KNOWN = new ConcurrentHashMap<>();

  private LinkRates() {}

  /// Measures the links of a rank that were not yet. No kernel of a call runs.
  ///
  /// @param byteSize of each rank's windows
  /// @return of the fastest link, which the rank should be able to fill; 0 if none could be
  ///   measured
  static double measure(CudaGpu gpu, PeerLinks links, long byteSize) {
    double fastest = NO_LINK;
    for (int peer = 0; peer < links.numRanks(); peer++) {
      if (!links.isSameGpu(peer)) {
        String pair = gpu.gpu().pciBusId() + " " + links.busId(peer);
        long from = links.address(peer);
        double rate = KNOWN.computeIfAbsent(pair, any -> copy(gpu, from, byteSize));
        fastest = fastest == NO_LINK ? rate : Math.max(fastest, rate);
      }
    }
    return fastest;
  }

  private static double copy(CudaGpu gpu, long from, long byteSize) {
    long bytes = Math.min(MOST_BYTES, byteSize);
    if (bytes < LEAST_BYTES || gpu.context().freeBytes() < 4 * bytes) {
      return 0;
    }
    Context context = gpu.context();
    long to = gpu.memory().take(bytes);
    try (Stream stream = Stream.create(context, Stream.Use.SERVICE);
        CudaRates.Stopwatch watch = new CudaRates.Stopwatch(context, stream)) {
      return watch.rate(bytes, () -> stream.deviceToDevice(to, from, bytes));
    } finally {
      gpu.memory().giveBack(to);
    }
  }
}
