package io.crossdock.cuda.driver;

import io.crossdock.ffi.RawMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// Host memory that stays where it is and that kernels of every GPU can reach. Not zeroed.
///
/// Safe for any thread.
public final class PinnedMemory implements AutoCloseable {
  private static final int PORTABLE = 1;
  private static final int DEVICE_MAP = 2;
  private static final long SMALLEST_BYTES = 4096;

  private final Context context;
  private final Handle handle;
  private final Block block;
  private final Arena arena = Arena.ofShared();
  private final MemorySegment segment;

  /// Memory as the host sees it, and as kernels do.
  ///
  /// Safe for any thread.
  record Block(long address, long deviceAddress, long byteSize) {
    /// Waits until the whole GPU is idle, and keeps other threads out of the driver meanwhile.
    void free() {
      Driver.checkRelease(Driver.HOST_FREE, Driver.HOST_FREE.call(address));
    }
  }

  private PinnedMemory(Context context, Block block, long byteSize) {
    this.context = context;
    this.handle = new Handle(Owned.PINNED_MEMORY, block.address());
    this.block = block;
    this.segment = RawMemory.view(block.address(), byteSize, arena);
  }

  /// Takes memory that was given back in this context, or allocates some.
  ///
  /// @param context where
  /// @param byteSize bytes, at least 1
  /// @return the memory
  public static PinnedMemory allocate(Context context, long byteSize) {
    long rounded = roundUp(byteSize);
    Block spare = context.sparePinned().take(rounded);
    return new PinnedMemory(context, spare == null ? make(context, rounded) : spare, byteSize);
  }

  /// {@return the size of the block that holds so many bytes: a power of two}
  static long roundUp(long byteSize) {
    return 2 * Long.highestOneBit(Math.max(SMALLEST_BYTES, byteSize) - 1);
  }

  private static Block make(Context context, long byteSize) {
    context.makeCurrent();
    Scratch scratch = Scratch.get();
    int code = Driver.HOST_ALLOCATE.call(scratch.address(), byteSize, PORTABLE | DEVICE_MAP);
    if (code != 0) {
      throw Driver.failure(Driver.HOST_ALLOCATE, code, "byteSize=" + byteSize);
    }
    long address = scratch.word(0);
    try {
      return new Block(address, deviceAddressOf(address), byteSize);
    } catch (RuntimeException e) {
      int freed = Driver.HOST_FREE.call(address);
      if (freed != 0) {
        e.addSuppressed(Driver.failure(Driver.HOST_FREE, freed));
      }
      throw e;
    }
  }

  private static long deviceAddressOf(long address) {
    Scratch scratch = Scratch.get();
    int code = Driver.HOST_DEVICE_POINTER.call(scratch.address(), address, 0);
    Driver.HOST_DEVICE_POINTER.check(code);
    return scratch.word(0);
  }

  /// {@return the memory as the host sees it; ends when this is closed}
  public MemorySegment segment() {
    return segment;
  }

  /// {@return its address for kernels}
  public long deviceAddress() {
    handle.value();
    return block.deviceAddress();
  }

  /// {@return bytes}
  public long byteSize() {
    return segment.byteSize();
  }

  /// Gives the memory back to the context; no work of a GPU may use it any more.
  @Override
  public void close() {
    if (handle.close()) {
      arena.close();
      context.sparePinned().keep(block.byteSize, block);
    }
  }
}
