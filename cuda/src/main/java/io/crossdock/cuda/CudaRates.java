package io.crossdock.cuda;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.crossdock.cuda.driver.Context;
import io.crossdock.cuda.driver.DeviceMemory;
import io.crossdock.cuda.driver.Event;
import io.crossdock.cuda.driver.Launch;
import io.crossdock.cuda.driver.LaunchShape;
import io.crossdock.cuda.driver.Stream;
import java.lang.foreign.Arena;
import java.time.Duration;

/// How fast a GPU copies its own memory, in bytes a microsecond: what one multiprocessor adds, and
/// the limit of all. From these, and from the rate of links, follows how many a call should use
/// when nobody says.
///
/// Safe for any thread.
///
/// @param perSm bytes a microsecond of one multiprocessor; 0 if nothing was measured
/// @param limit bytes a microsecond of the memory
record CudaRates(double perSm, double limit) {
  static final CudaRates UNKNOWN = new CudaRates(0, 0);

  /// Taken when the memory, or a link between the ranks, was not measured.
  static final int DEFAULT_SMS = 20;

  private static final long BYTES = 64L << 20;
  private static final int FEW_BLOCKS = 2;
  private static final int MORE_BLOCKS = 8;
  private static final int REPEATS = 3;
  private static final Duration BOUND = Duration.ofSeconds(10);

  /// Copies on the idle GPU, some milliseconds; without memory to measure with, nothing is known.
  static CudaRates measure(CudaGpu gpu) {
    if (gpu.context().freeBytes() < 4 * BYTES) {
      return UNKNOWN;
    }
    Context context = gpu.context();
    try (Arena arena = Arena.ofConfined();
        DeviceMemory memory = DeviceMemory.allocate(context, 2 * BYTES);
        Stream stream = Stream.create(context, Stream.Use.SERVICE);
        Stopwatch watch = new Stopwatch(context, stream)) {
      long from = memory.address();
      long to = from + BYTES;
      stream.memset8(from, (byte) 1, 2 * BYTES);
      Launch copy = new Launch(arena, gpu.function(Kernel.COPY_BYTES), Structs.COPY.byteSize());
      copy.args().set(JAVA_LONG, Structs.COPY.offset("from"), from);
      copy.args().set(JAVA_LONG, Structs.COPY.offset("to"), to);
      copy.args().set(JAVA_LONG, Structs.COPY.offset("num_bytes"), BYTES);
      int threads = copy.function().maxThreads();
      LaunchShape few = new LaunchShape(FEW_BLOCKS, threads, 0);
      LaunchShape more = new LaunchShape(MORE_BLOCKS, threads, 0);
      double perSm =
          Math.max(
              watch.rate(BYTES, () -> copy.run(stream, few)) / FEW_BLOCKS,
              watch.rate(BYTES, () -> copy.run(stream, more)) / MORE_BLOCKS);
      return new CudaRates(perSm, watch.rate(BYTES, () -> stream.deviceToDevice(to, from, BYTES)));
    }
  }

  /// Chooses multiprocessors for a rank: as many as bring its rows to the rate of what is slower,
  /// the memory of the GPU or the link to the others. The ranks of a GPU share both.
  ///
  /// @param numSms of the GPU
  /// @param ranksOnGpu ranks that share it
  /// @param link bytes a microsecond of the link to other GPUs; [LinkRates#NO_LINK] if all ranks
  ///   share one, 0 if it is unknown
  /// @return an even number unless a rank's share is one, at most the rank's share
  int choose(int numSms, int ranksOnGpu, double link) {
    int share = numSms / ranksOnGpu;
    int most = share < 2 ? share : share / 2 * 2;
    if (perSm <= 0 || link <= 0) {
      return Math.min(most, DEFAULT_SMS);
    }
    int wanted = (int) Math.ceil(Math.min(limit, link) / ranksOnGpu / perSm);
    return Math.clamp((wanted + 1L) / 2 * 2, Math.min(2, most), most);
  }

  /// Times work of a stream.
  ///
  /// Confined to one thread.
  static final class Stopwatch implements AutoCloseable {
    private final Stream stream;
    private final Event start;
    private final Event stop;

    Stopwatch(Context context, Stream stream) {
      this.stream = stream;
      this.start = Event.create(context, Event.Timing.ON);
      try {
        this.stop = Event.create(context, Event.Timing.ON);
      } catch (RuntimeException e) {
        start.close();
        throw e;
      }
    }

    /// The best of some runs after a first one, in bytes a microsecond.
    double rate(long numBytes, Runnable work) {
      double best = 0;
      for (int i = 0; i <= REPEATS; i++) {
        start.record(stream);
        work.run();
        stop.record(stream);
        stop.synchronize(BOUND);
        best = i == 0 ? 0 : Math.max(best, numBytes / stop.elapsedMicros(start));
      }
      return best;
    }

    @Override
    public void close() {
      start.close();
      stop.close();
    }
  }
}
