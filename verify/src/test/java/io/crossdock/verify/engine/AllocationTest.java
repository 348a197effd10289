package io.crossdock.verify.engine;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import io.crossdock.core.BufferSpec;
import io.crossdock.core.CombineBuffer;
import io.crossdock.core.CombineConfig;
import io.crossdock.core.CombineInput;
import io.crossdock.core.CombineOptions;
import io.crossdock.core.DType;
import io.crossdock.core.Device;
import io.crossdock.core.DeviceAllocator;
import io.crossdock.core.DispatchConfig;
import io.crossdock.core.DispatchHandle;
import io.crossdock.core.DispatchInput;
import io.crossdock.core.DispatchOptions;
import io.crossdock.core.DispatchOutputs;
import io.crossdock.core.DispatchResult;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.Tensor;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.harness.EngineUnderTest;
import io.crossdock.verify.harness.RankThreads;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Nothing is allocated on the heap in steady state: not by workers, not by calls into outputs made
/// before; the other calls allocate their result and its views, whose size does not depend on that
/// of the data.
///
/// Allocation is counted per thread, in rounds of calls. The least that any round allocated counts:
/// before that the code is not compiled, and a peer that was not scheduled for long costs something
/// too. Rounds go on until they brought what is wanted, or time is up; where the least is the
/// measure of something else, until some in a row brought nothing better, too.
@Timeout(300)
class AllocationTest {
  static final int NUM_RANKS = 2;

  /// Even, since on a GPU these are multiprocessors.
  static final int WORKERS = 4;

  /// Rounds in a row that bring nothing better.
  private static final int IN_VAIN = 4;

  private static final Duration PATIENCE = Duration.ofSeconds(40);
  private static final int CALLS = 250;

  /// Enough for the results of a dispatch and two combines, and for a view.
  private static final long MOST_BYTES = 2999;

  private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  private static final DispatchOptions DISPATCH =
      DispatchOptions.DEFAULT.withConfig(new DispatchConfig(WORKERS, 2, 5));
  private static final CombineOptions COMBINE =
      CombineOptions.DEFAULT.withConfig(new CombineConfig(WORKERS, 4, 5));

  /// Least bytes a call allocated, by the caller and by all other threads of ours.
  record Cost(long caller, long worker) {
    Cost least(Cost other) {
      return new Cost(Math.min(caller, other.caller), Math.min(worker, other.worker));
    }
  }

  static final Cost NOTHING = new Cost(0, 0);

  /// When rounds end before time is up.
  ///
  /// @param most that a call may cost
  /// @param roundsInVain that must have brought nothing better, too
  record Aim(Cost most, int roundsInVain) {
    static final Aim NOTHING = atMost(AllocationTest.NOTHING);

    /// {@return an upper bound}
    ///
    /// @param most that a call may cost
    static Aim atMost(Cost most) {
      return new Aim(most, 0);
    }

    /// {@return the least, which is the measure of something else}
    ///
    /// @param most that a call may cost
    static Aim least(Cost most) {
      return new Aim(most, IN_VAIN);
    }
  }

  static Cost cost(int tokens, int hidden, Preparation preparation) throws Exception {
    return cost(tokens, hidden, Aim.NOTHING, preparation);
  }

  private static Cost cost(int tokens, int hidden, Aim aim, Preparation preparation)
      throws Exception {
    return cost(Batch.spec(NUM_RANKS, tokens, hidden), aim, preparation);
  }

  /// @param spec of as many ranks as experts
  static Cost cost(BufferSpec spec, Aim aim, Preparation preparation) throws Exception {
    int numRanks = spec.numExperts();
    AtomicLongArray caller = new AtomicLongArray(numRanks);
    AtomicLongArray worker = new AtomicLongArray(numRanks);
    RankThreads.run(
        numRanks,
        group -> {
          try (Arena arena = Arena.ofShared();
              EpBuffer buffer = EpBuffer.open(EngineUnderTest.open(), spec, group)) {
            Batch batch = Batch.of(buffer, arena, spec.numMaxTokensPerRank());
            Cost mine = measure(group, aim, preparation.prepare(buffer, batch, arena));
            caller.set(group.rank(), mine.caller);
            worker.set(group.rank(), mine.worker);
          }
        });
    return new Cost(max(caller), max(worker));
  }

  /// Makes what a call needs and returns the call.
  interface Preparation {
    Runnable prepare(EpBuffer buffer, Batch batch, Arena arena);
  }

  static long max(AtomicLongArray values) {
    long max = 0;
    for (int i = 0; i < values.length(); i++) {
      max = Math.max(max, values.get(i));
    }
    return max;
  }

  /// {@return the least cost of a call}
  ///
  /// @param group of all ranks
  /// @param aim what is wanted
  /// @param call the call
  static Cost measure(ProcessGroup group, Aim aim, Runnable call) {
    Cost least = new Cost(Long.MAX_VALUE, Long.MAX_VALUE);
    int roundsInVain = 0;
    long start = System.nanoTime();
    while (!allAgree(group, isEnough(least, aim, roundsInVain) || isLate(start))) {
      Cost cost = round(group.rank(), call);
      Cost next = least.least(cost);
      roundsInVain = next.equals(least) ? roundsInVain + 1 : 0;
      least = next;
    }
    return least;
  }

  private static boolean isEnough(Cost least, Aim aim, int roundsInVain) {
    return least.caller <= aim.most.caller
        && least.worker <= aim.most.worker
        && roundsInVain >= aim.roundsInVain;
  }

  private static boolean isLate(long start) {
    return System.nanoTime() - start >= PATIENCE.toNanos();
  }

  private static Cost round(int rank, Runnable call) {
    // Workers are made by the first call that needs them.
    call.run();
    long[] workers = workersOf(rank);
    int expected = EngineUnderTest.isCuda() ? 0 : WORKERS - 1;
    assertThat(workers).as("workers of rank %d", rank).hasSize(expected);
    long[] others =
        LongStream.concat(Arrays.stream(workers), Arrays.stream(networksOf(rank))).toArray();
    long self = Thread.currentThread().threadId();
    long othersBefore = allocated(others);
    long before = THREADS.getThreadAllocatedBytes(self);
    for (int i = 0; i < CALLS; i++) {
      call.run();
    }
    long caller = THREADS.getThreadAllocatedBytes(self) - before;
    return new Cost(caller / CALLS, (allocated(others) - othersBefore) / CALLS);
  }

  /// Ranks stop together: the calls are collective.
  private static boolean allAgree(ProcessGroup group, boolean enough) {
    byte[] mine = {(byte) (enough ? 1 : 0)};
    return Arrays.stream(group.allGather(mine)).allMatch(theirs -> theirs[0] == 1);
  }

  private static long[] workersOf(int rank) {
    return threads("crossdock-" + rank + "-worker-");
  }

  /// Threads that make progress on the way to other nodes.
  private static long[] networksOf(int rank) {
    return threads("crossdock-net-" + rank);
  }

  private static long[] threads(String name) {
    return Thread.getAllStackTraces().keySet().stream()
        .filter(thread -> thread.getName().startsWith(name))
        .mapToLong(Thread::threadId)
        .toArray();
  }

  private static long allocated(long[] threads) {
    return Arrays.stream(THREADS.getThreadAllocatedBytes(threads)).sum();
  }

  @Test
  void theCounterCounts() {
    long self = Thread.currentThread().threadId();
    long before = THREADS.getThreadAllocatedBytes(self);
    byte[] bytes = new byte[12345];
    assertThat(THREADS.getThreadAllocatedBytes(self) - before).isGreaterThan(bytes.length);
  }

  @Test
  void layoutIntoAllocatesNothing() throws Exception {
    Cost cost =
        cost(
            24,
            64,
            (buffer, batch, arena) -> {
              buffer.dispatch(batch.input, batch.layout, DISPATCH).close();
              return () -> buffer.layoutInto(batch.topkIdx, batch.layout);
            });
    assertThat(cost).isEqualTo(NOTHING);
  }

  @Test
  void dispatchAndCombineIntoAllocateNothing() throws Exception {
    Cost cost = cost(24, 1096, (buffer, batch, arena) -> into(buffer, batch, batch.input));
    assertThat(cost).isEqualTo(NOTHING);
  }

  /// More than fits a cache, which is copied another way.
  @Test
  void largeDispatchesAndCombinesIntoAllocateNothing() throws Exception {
    Cost cost = cost(160, 4096, (buffer, batch, arena) -> into(buffer, batch, batch.input));
    assertThat(cost).isEqualTo(NOTHING);
  }

  /// Scales travel too, and the layout alone decides where rows go.
  @Test
  void dispatchAndCombineIntoOfQuantisedRowsAllocateNothing() throws Exception {
    Cost cost =
        cost(
            24,
            256,
            (buffer, batch, arena) -> {
              SegmentAllocator memory = buffer.memory().allocator();
              Tensor x = Tensor.allocate(memory, DType.FP8_E4M3, 24, 256);
              DispatchInput rows =
                  DispatchInput.rows(x).withScales(Tensor.allocate(memory, DType.F32, 24, 2));
              return into(buffer, batch.withoutWeights(), rows);
            });
    assertThat(cost).isEqualTo(NOTHING);
  }

  static Runnable into(EpBuffer buffer, Batch batch, DispatchInput input) {
    long tokens = input.x().size(0);
    int numRanks = buffer.group().size();
    SegmentAllocator memory = buffer.memory().allocator();
    DispatchOutputs outputs = buffer.allocateOutputs(memory, input, numRanks * tokens);
    Tensor x = Tensor.allocate(memory, DType.BF16, tokens, buffer.spec().hidden());
    Tensor weights = Tensor.allocate(memory, DType.F32, tokens, numRanks);
    return () -> {
      buffer.dispatchInto(input, batch.layout, DISPATCH, outputs);
      buffer.combineInto(batch.outputs, outputs.handle(), COMBINE, x, weights);
    };
  }

  @Test
  void otherCallsAllocateTheirResultOnly() throws Exception {
    Cost small = cost(16, 64, Aim.least(new Cost(MOST_BYTES, 0)), AllocationTest::borrowed);
    // Sixteen bytes for each row would be more than this.
    long most = Math.min(small.caller + 1000, MOST_BYTES);
    Cost large = cost(96, 136, Aim.atMost(new Cost(most, 0)), AllocationTest::borrowed);
    assertThat(small.worker).isZero();
    assertThat(large.worker).isZero();
    assertThat(large.caller).isBetween(1L, most);
  }

  /// Zero-copy and staged, with outputs where the caller says.
  private static Runnable borrowed(EpBuffer buffer, Batch batch, Arena arena) {
    long bytes = batch.input.x().size(0) * buffer.spec().hidden() * 2L;
    CombineOptions options = COMBINE.withAllocator(again(buffer, bytes));
    return () -> {
      try (DispatchResult got = buffer.dispatch(batch.input, batch.layout, DISPATCH);
          CombineBuffer place = buffer.combineBuffer(got.handle());
          DispatchHandle handle = got.handle()) {
        buffer.combine(CombineInput.of(place.tensor()), handle, options);
        buffer.combine(CombineInput.of(batch.outputs.y()), handle, options);
      }
    };
  }

  /// Hands out the same memory each time.
  private static SegmentAllocator again(EpBuffer buffer, long numBytes) {
    Device device = buffer.memory().device();
    MemorySegment memory = buffer.memory().allocator().allocate(numBytes, 64);
    return device.equals(Device.HOST) ? (bytes, alignment) -> memory : new OnDevice(device, memory);
  }

  private record OnDevice(Device device, MemorySegment memory) implements DeviceAllocator {
    @Override
    public MemorySegment allocate(long bytes, long alignment) {
      return memory;
    }
  }
}
