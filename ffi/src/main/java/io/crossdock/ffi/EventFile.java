package io.crossdock.ffi;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.concurrent.atomic.AtomicBoolean;

/// A Linux `eventfd`: ends a wait for it and for one more file.
///
/// Safe for any thread; closed when nobody waits any more.
public final class EventFile implements AutoCloseable {
  /// Stands for no second file to wait for.
  public static final int NO_FILE = -1;

  private static final int NON_BLOCKING_CLOSE_ON_EXEC = 0x80800;
  private static final short POLLIN = 1;
  private static final int ENTRY_BYTES = 8; // struct pollfd: int fd; short events, revents
  private static final int EVENTS = 4;
  private static final long NANOS_A_SECOND = 1_000_000_000L;
  private static final NativeLibrary LIBRARY = NativeLibrary.standard();
  private static final MethodHandle EVENTFD =
      LIBRARY.bind("eventfd", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT));
  private static final MethodHandle READ =
      LIBRARY.bind("read", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG));
  private static final MethodHandle WRITE =
      LIBRARY.bind("write", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG));
  private static final MethodHandle CLOSE =
      LIBRARY.bind("close", FunctionDescriptor.of(JAVA_INT, JAVA_INT));
  // Not critical: it waits.
  private static final MethodHandle PPOLL =
      LIBRARY.bind(
          "ppoll", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG));

  // Memory of each waiting thread: where read puts its number, then struct timespec.
  private static final ThreadLocal<MemorySegment> SCRATCH =
      ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(3 * Long.BYTES, Long.BYTES));

  private final Arena arena = Arena.ofShared();
  private final AtomicBoolean closed = new AtomicBoolean();
  private final int file;
  private final long entries;
  private final int numEntries;
  private final long one;

  private EventFile(int file, int otherFile) {
    this.file = file;
    MemorySegment list = arena.allocate(2 * ENTRY_BYTES, ENTRY_BYTES);
    list.set(JAVA_INT, 0, file);
    list.set(JAVA_SHORT, EVENTS, POLLIN);
    list.set(JAVA_INT, ENTRY_BYTES, otherFile);
    list.set(JAVA_SHORT, ENTRY_BYTES + EVENTS, POLLIN);
    entries = list.address();
    numEntries = otherFile == NO_FILE ? 1 : 2;
    one = arena.allocateFrom(JAVA_LONG, 1L).address();
  }

  /// Opens one.
  ///
  /// @param otherFile descriptor of a file to wait for also, or [#NO_FILE]; lives longer than this
  /// @return the file
  /// @throws NativeCallException if the process may not open more files
  public static EventFile open(int otherFile) {
    int file;
    try {
      file = (int) EVENTFD.invokeExact(0, NON_BLOCKING_CLOSE_ON_EXEC);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
    if (file < 0) {
      throw new NativeCallException("libc", "eventfd", file, "no more files can be opened");
    }
    return new EventFile(file, otherFile);
  }

  /// Ends a wait, the current one or else the next.
  public void raise() {
    long written;
    try {
      written = (long) WRITE.invokeExact(file, one, (long) Long.BYTES);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
    // It fails only where the counter is full, and then the wait ends as well.
    assert written == Long.BYTES || written == -1;
  }

  /// Waits until this was raised or the other file can be read, and takes back the raising.
  ///
  /// @param nanos at most; a signal of the process may end it earlier
  public void await(long nanos) {
    MemorySegment scratch = SCRATCH.get();
    scratch.set(JAVA_LONG, Long.BYTES, nanos / NANOS_A_SECOND);
    scratch.set(JAVA_LONG, 2 * Long.BYTES, nanos % NANOS_A_SECOND);
    long address = scratch.address();
    int ready;
    try {
      ready = (int) PPOLL.invokeExact(entries, (long) numEntries, address + (long) Long.BYTES, 0L);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
    if (ready > 0) {
      drain(address);
    }
  }

  private void drain(long address) {
    long bytes;
    try {
      bytes = (long) READ.invokeExact(file, address, (long) Long.BYTES);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
    // -1: it was the other file.
    assert bytes == Long.BYTES || bytes == -1;
  }

  /// Closes this file, not the other. Idempotent.
  @Override
  public void close() {
    if (!closed.compareAndSet(false, true)) {
      return;
    }
    int code;
    try {
      code = (int) CLOSE.invokeExact(file);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
    arena.close();
    if (code != 0) {
      throw new NativeCallException("libc", "close", code, "closing an eventfd failed");
    }
  }
}
