package io.crossdock.cuda.driver;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;
import java.time.Duration;

/// Memory of one GPU that is allocated and freed in the order of streams. What is freed stays in
/// the pool.
///
/// Safe for any thread.
public final class MemoryPool implements AutoCloseable {
  // CUmemPoolProps: allocType int, handleTypes int, location {type int, id int}, attributes
  // pointer,
  // maxSize size_t, usage short, reserved.
  static final int PROPERTIES_BYTES = 88;
  static final int LOCATION_TYPE_OFFSET = 8;
  static final int LOCATION_ID_OFFSET = 12;

  private static final int RELEASE_THRESHOLD = 4;

  private final Context context;
  private final Handle handle;

  private MemoryPool(Context context, Handle handle) {
    this.context = context;
    this.handle = handle;
  }

  /// Creates a pool that gives nothing back before it is closed.
  ///
  /// @param context of the GPU
  /// @return the pool
  public static MemoryPool create(Context context) {
    context.makeCurrent();
    Scratch scratch = Scratch.get();
    MemorySegment properties = scratch.segment().asSlice(0, PROPERTIES_BYTES).fill((byte) 0);
    properties.set(JAVA_INT, 0, AllocationStructs.ALLOCATION_PINNED);
    properties.set(JAVA_INT, LOCATION_TYPE_OFFSET, AllocationStructs.LOCATION_DEVICE);
    properties.set(JAVA_INT, LOCATION_ID_OFFSET, context.gpu().device());
    long answer = scratch.address() + PROPERTIES_BYTES;
    Driver.POOL_CREATE.check(Driver.POOL_CREATE.call(answer, properties.address()));
    long pool = scratch.segment().get(JAVA_LONG, PROPERTIES_BYTES);
    MemoryPool created = new MemoryPool(context, new Handle(Owned.MEMORY_POOL, pool));
    try {
      created.keepEverything();
      return created;
    } catch (RuntimeException e) {
      Closing.after(e, created);
      throw e;
    }
  }

  private void keepEverything() {
    Scratch scratch = Scratch.get();
    scratch.segment().set(JAVA_LONG, 0, -1L);
    int code = Driver.POOL_SET_ATTRIBUTE.call(handle.value(), RELEASE_THRESHOLD, scratch.address());
    Driver.POOL_SET_ATTRIBUTE.check(code);
  }

  /// Allocates in the order of a stream.
  ///
  /// @param stream that may use the memory first
  /// @param byteSize bytes, at least 1
  /// @return device address, aligned to 256 bytes at least
  public long allocAsync(Stream stream, long byteSize) {
    context.makeCurrent();
    Scratch scratch = Scratch.get();
    int code =
        Driver.POOL_ALLOCATE.call(scratch.address(), byteSize, handle.value(), stream.rawHandle());
    if (code != 0) {
      throw Driver.failure(Driver.POOL_ALLOCATE, code, "byteSize=" + byteSize);
    }
    Owned.POOL_BLOCK.made();
    return scratch.word(0);
  }

  /// Frees in the order of a stream.
  ///
  /// @param address as allocated, from any stream that is ordered before
  /// @param stream that uses the memory last
  public void freeAsync(long address, Stream stream) {
    context.makeCurrent();
    Driver.POOL_FREE.check(Driver.POOL_FREE.call(address, stream.rawHandle()));
    Owned.POOL_BLOCK.released();
  }

  /// Makes the pool hold at least some bytes, so that later allocations need no new memory.
  ///
  /// @param stream where
  /// @param byteSize bytes; 0 does nothing
  /// @param timeout of the stream's earlier work
  public void warm(Stream stream, long byteSize, Duration timeout) {
    if (byteSize > 0) {
      freeAsync(allocAsync(stream, byteSize), stream);
      stream.synchronize(timeout);
    }
  }

  /// Destroys the pool; memory that is still allocated stays until it is freed.
  @Override
  public void close() {
    if (handle.close()) {
      context.makeCurrent();
      Driver.checkRelease(Driver.POOL_DESTROY, Driver.POOL_DESTROY.call(handle.closedValue()));
    }
  }
}
