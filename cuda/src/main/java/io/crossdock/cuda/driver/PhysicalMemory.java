package io.crossdock.cuda.driver;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;

/// Memory of a GPU without an address, or that of another process: a
/// `CUmemGenericAllocationHandle`. A [MappedRange] gives it one. Not zeroed. The driver frees it
/// when nobody names or maps it any more, in any process.
///
/// Safe for any thread.
final class PhysicalMemory implements AutoCloseable {
  private static final long ANSWER = AllocationStructs.PROPERTIES.byteSize();

  /// Where the handle to be opened lies, behind the answer.
  private static final long SENT_HANDLE = SharedHandle.BYTES;

  private final Context context;
  private final Handle handle;
  private final long byteSize;

  private PhysicalMemory(Context context, Handle handle, long byteSize) {
    this.context = context;
    this.handle = handle;
    this.byteSize = byteSize;
  }

  /// Allocates.
  ///
  /// @param context of the GPU
  /// @param byteSize bytes, at least 1; rounded up to what the driver can map
  /// @param type what [#export] needs
  static PhysicalMemory create(Context context, long byteSize, HandleType type) {
    long granule = granule(context, type);
    long bytes = Math.multiplyExact(Math.ceilDiv(byteSize, granule), granule);
    Scratch scratch = Scratch.get();
    MemorySegment properties =
        AllocationStructs.properties(scratch.segment(), context.gpu().ordinal(), type);
    long answer = scratch.address() + ANSWER;
    int code = Driver.PHYSICAL_CREATE.call(answer, bytes, properties.address(), 0L);
    if (code != 0) {
      throw Driver.failure(Driver.PHYSICAL_CREATE, code, "byteSize=" + bytes);
    }
    long created = scratch.segment().get(JAVA_LONG, ANSWER);
    return new PhysicalMemory(context, new Handle(Owned.DEVICE_MEMORY, created), bytes);
  }

  /// The unit of sizes and addresses of a mapping.
  static long granule(Context context, HandleType type) {
    context.makeCurrent();
    Scratch scratch = Scratch.get();
    MemorySegment properties =
        AllocationStructs.properties(scratch.segment(), context.gpu().ordinal(), type);
    int code =
        Driver.PHYSICAL_GRANULARITY.call(
            scratch.address() + ANSWER,
            properties.address(),
            AllocationStructs.GRANULARITY_MINIMUM);
    Driver.PHYSICAL_GRANULARITY.check(code);
    return scratch.segment().get(JAVA_LONG, ANSWER);
  }

  /// Takes memory of another process, or of this one.
  ///
  /// @param context that will use it
  /// @param sent from [#export]
  /// @param byteSize that it has there
  static PhysicalMemory open(Context context, FabricHandle sent, long byteSize) {
    context.makeCurrent();
    Scratch scratch = Scratch.get();
    MemorySegment.copy(
        sent.bytes(), 0, scratch.segment(), JAVA_BYTE, SENT_HANDLE, SharedHandle.BYTES);
    int code =
        Driver.PHYSICAL_IMPORT.call(
            scratch.address(), scratch.address() + SENT_HANDLE, HandleType.FABRIC.code());
    Driver.PHYSICAL_IMPORT.check(code);
    return new PhysicalMemory(context, new Handle(Owned.PEER_MEMORY, scratch.word(0)), byteSize);
  }

  Context context() {
    return context;
  }

  long rawHandle() {
    return handle.value();
  }

  long byteSize() {
    return byteSize;
  }

  /// Makes the memory known to other processes.
  FabricHandle export() {
    context.makeCurrent();
    Scratch scratch = Scratch.get();
    int code =
        Driver.PHYSICAL_EXPORT.call(
            scratch.address(), handle.value(), HandleType.FABRIC.code(), 0L);
    Driver.PHYSICAL_EXPORT.check(code);
    return FabricHandle.copyOf(scratch.segment());
  }

  /// Ends this process's name for it; what is mapped stays until it is unmapped.
  @Override
  public void close() {
    if (handle.close()) {
      context.makeCurrent();
      Driver.checkRelease(
          Driver.PHYSICAL_RELEASE, Driver.PHYSICAL_RELEASE.call(handle.closedValue()));
    }
  }
}
