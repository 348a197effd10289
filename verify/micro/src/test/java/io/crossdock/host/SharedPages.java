package io.crossdock.host;

import io.crossdock.core.BufferSpec;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicLong;

/// The page of rank 0 of two ranks, for one state of a stress test: shared memory as the engine
/// makes it, mapped once by each rank, as it is between processes.
///
/// Pages are taken from a ring, because mapping one for each of millions of states would take for
/// ever. The ring holds more pages than there are states at a time.
///
/// Safe for any thread.
final class SharedPages {
  /// As many states live at a time: what the test is started with, strides times their size.
  static final int MAX_STATES = 8192;

  private static final int NUM_PAGES = 2 * MAX_STATES;
  private static final BufferSpec SPEC =
      BufferSpec.builder()
          .numMaxTokensPerRank(1)
          .hidden(8)
          .topk(1)
          .numExperts(2)
          .windows(1, 1)
          .build();
  private static final WindowLayout LAYOUT = WindowLayout.of(SPEC, 2);
  private static final MemorySegment WRITERS;
  private static final MemorySegment READERS;
  private static final AtomicLong NEXT = new AtomicLong();

  static {
    try (SharedMemory memory =
        SharedMemory.create(SharedMemory.WINDOWS, NUM_PAGES * LAYOUT.receive(0), 0)) {
      WRITERS = map(memory);
      READERS = map(memory);
    }
  }

  final WindowLayout layout = LAYOUT;

  /// What rank 0 publishes with.
  final Board writer;

  /// What rank 1 reads with.
  final Board reader;

  private final MemorySegment writerPage;
  private final MemorySegment readerPage;

  SharedPages() {
    long bytes = LAYOUT.receive(0);
    long at = NEXT.getAndIncrement() % NUM_PAGES * bytes;
    writerPage = WRITERS.asSlice(at, bytes);
    readerPage = READERS.asSlice(at, bytes);
    writerPage.fill((byte) 0);
    writer = new Board(LAYOUT, new MemorySegment[] {writerPage, writerPage}, 0);
    reader = new Board(LAYOUT, new MemorySegment[] {readerPage, readerPage}, 1);
  }

  private static MemorySegment map(SharedMemory memory) {
    return SharedMemory.map(memory.link(), NUM_PAGES * LAYOUT.receive(0), Arena.global());
  }

  /// Where rows would lie that rank 0 writes.
  ///
  /// @return memory behind everything that the board uses
  MemorySegment writtenRow() {
    return writerPage;
  }

  MemorySegment readRow() {
    return readerPage;
  }

  /// Offset of 64 bytes that the board does not use.
  long row() {
    return LAYOUT.receive(0) - 64;
  }
}
