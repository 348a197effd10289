package io.crossdock.cuda;

import io.crossdock.core.CrossdockException;
import io.crossdock.cuda.driver.Context;
import io.crossdock.cuda.driver.Event;
import io.crossdock.cuda.driver.MemoryPool;
import io.crossdock.cuda.driver.Stream;
import io.crossdock.ffi.NativeCallException;
import io.crossdock.ffi.RawMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Cleaner;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;

/// Memory of one GPU that is freed when nobody reaches it any more. It comes from a pool, on a
/// stream that does nothing else, so that neither taking nor giving back waits for a kernel.
///
/// A block that became unreachable may still be used by work that was enqueued before. It goes back
/// once all streams of the process on this GPU have passed the point where they were then.
///
/// Safe for any thread.
final class GpuMemory {
  private static final Cleaner CLEANER = Cleaner.create();
  private static final Duration BOUND = Duration.ofSeconds(60);
  private static final long WARM_BYTES = 256L << 20;

  /// Part of the free memory that warming the pool takes at most.
  private static final long WARM_SHARE = 16;

  /// Batches whose events are kept for later ones.
  private static final int SPARE_BATCHES = 4;

  private static final int ATTEMPTS = 3;
  private static final long COLLECT_MILLIS = 30;

  private final Context context;
  private final MemoryPool pool;
  private final Stream stream;
  private final Queue<Long> unreachable = new ConcurrentLinkedQueue<>();
  private final Deque<Batch> batches = new ArrayDeque<>();
  private final Set<GpuStream> streams = Collections.newSetFromMap(new IdentityHashMap<>());
  private final Deque<Event> spareEvents = new ArrayDeque<>();

  /// Blocks and what must have been passed before they may be used again.
  private record Batch(List<Long> addresses, List<Event> events) {}

  GpuMemory(Context context) {
    this.context = context;
    this.pool = MemoryPool.create(context);
    this.stream = Stream.create(context, Stream.Use.SERVICE);
    pool.warm(stream, Math.min(WARM_BYTES, context.freeBytes() / WARM_SHARE), BOUND);
  }

  /// From now on blocks are not used again before what this stream got.
  void watch(GpuStream added) {
    synchronized (this) {
      streams.add(added);
    }
  }

  /// Waits for what all watched streams that are not captured got so far. They may be closed
  /// meanwhile, so what is waited for are events of our own.
  void drainStreams(Duration bound) {
    try (Resources owned = new Resources()) {
      markAll(owned).forEach(event -> event.drain(bound));
    }
  }

  /// Touches no stream that was forgotten, which takes the same lock.
  private synchronized List<Event> markAll(Resources owned) {
    List<Event> events = new ArrayList<>();
    for (GpuStream each : streams) {
      if (!each.isCapturing()) {
        Event event = owned.add(newEvent());
        event.record(each.driver());
        events.add(event);
      }
    }
    return events;
  }

  /// Ends the watch of a stream, which may be closed then and not before.
  ///
  /// @return true if the stream was watched
  boolean forget(GpuStream removed) {
    synchronized (this) {
      return streams.remove(removed);
    }
  }

  /// Takes a block that lives as long as the segment, or a slice of it, is reachable.
  ///
  /// @return a segment of no length at the device address
  MemorySegment allocate(long byteSize) {
    long address = take(byteSize);
    MemorySegment segment = RawMemory.view(address, 0, Arena.ofAuto());
    Queue<Long> queue = unreachable;
    CLEANER.register(segment.scope(), () -> queue.add(address));
    return segment;
  }

  /// Takes a block that lives until it is given back.
  long take(long byteSize) {
    long bytes = Math.max(1, byteSize);
    for (int attempt = 1; ; attempt++) {
      try {
        return takeNow(bytes);
      } catch (NativeCallException e) {
        if (attempt == ATTEMPTS) {
          throw new CrossdockException(
              "device memory is exhausted: byteSize=" + bytes + ", gpu=" + context.gpu(), e);
        }
        collect();
      }
    }
  }

  private synchronized long takeNow(long byteSize) {
    giveBackUnreachable();
    long address = pool.allocAsync(stream, byteSize);
    stream.drain(BOUND);
    return address;
  }

  /// Fills memory with zeros and waits for that.
  void zero(long address, long byteSize) {
    synchronized (this) {
      stream.memset8(address, (byte) 0, byteSize);
      stream.drain(BOUND);
    }
  }

  /// Gives a block back once the work that was enqueued so far is done.
  void giveBack(long address) {
    unreachable.add(address);
  }

  /// Gives back to the pool what nobody uses any more.
  synchronized void giveBackUnused() {
    giveBackUnreachable();
  }

  /// The garbage collector does not see how much memory a small object stands for.
  private static void collect() {
    System.gc();
    try {
      Thread.sleep(COLLECT_MILLIS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void giveBackUnreachable() {
    while (!batches.isEmpty() && batches.peek().events.stream().allMatch(Event::isDone)) {
      Batch batch = batches.remove();
      batch.addresses.forEach(address -> pool.freeAsync(address, stream));
      spareEvents.addAll(batch.events);
    }
    while (spareEvents.size() > SPARE_BATCHES * streams.size()) {
      spareEvents.remove().close();
    }
    // An event of a stream that is captured would stand for the graph, not for the work so far.
    if (!unreachable.isEmpty() && streams.stream().noneMatch(GpuStream::isCapturing)) {
      List<Long> addresses = new ArrayList<>();
      for (Long next = unreachable.poll(); next != null; next = unreachable.poll()) {
        addresses.add(next);
      }
      batches.add(new Batch(addresses, streams.stream().map(this::mark).toList()));
    }
  }

  private Event mark(GpuStream watched) {
    Event event = spareEvents.isEmpty() ? newEvent() : spareEvents.remove();
    event.record(watched.driver());
    return event;
  }

  private Event newEvent() {
    return Event.create(context, Event.Timing.OFF);
  }
}
