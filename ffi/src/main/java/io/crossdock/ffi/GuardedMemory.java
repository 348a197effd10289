package io.crossdock.ffi;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicBoolean;

/// Memory that abuts a page nobody may touch: code that reads or writes past its edge is caught at
/// once.
///
/// Safe for any thread.
public final class GuardedMemory implements AutoCloseable {
  private static final long PAGE_BYTES = 4096;

  private final long base;
  private final long mappedBytes;
  private final Arena arena = Arena.ofShared();
  private final MemorySegment segment;
  private final AtomicBoolean closed = new AtomicBoolean();

  /// Which edge lies against the guard.
  ///
  /// Safe for any thread.
  public enum Edge {
    /// The first byte.
    START,
    /// The last byte.
    END
  }

  private GuardedMemory(long byteSize, Edge edge) {
    long body = (byteSize + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    mappedBytes = body + 2 * PAGE_BYTES;
    base = LibC.mapAnonymous(mappedBytes);
    LibC.protect(base, PAGE_BYTES, LibC.PROT_NONE);
    LibC.protect(base + PAGE_BYTES + body, PAGE_BYTES, LibC.PROT_NONE);
    long first = base + PAGE_BYTES + (edge == Edge.END ? body - byteSize : 0);
    segment = RawMemory.view(first, byteSize, arena);
  }

  /// Allocates zeroed memory between two guards.
  ///
  /// @param byteSize bytes
  /// @param edge which edge lies against a guard
  /// @return the memory
  public static GuardedMemory allocate(long byteSize, Edge edge) {
    return new GuardedMemory(byteSize, edge);
  }

  /// {@return the memory between the guards}
  public MemorySegment segment() {
    return segment;
  }

  /// Unmaps the memory. Idempotent.
  @Override
  public void close() {
    if (closed.compareAndSet(false, true)) {
      arena.close();
      LibC.unmap(base, mappedBytes);
    }
  }
}
