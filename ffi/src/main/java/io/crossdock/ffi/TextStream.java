package io.crossdock.ffi;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.util.function.LongConsumer;

/// Collects what C code prints to a `FILE *`.
///
/// Safe for any thread.
public final class TextStream {
  private static final NativeLibrary LIBRARY = NativeLibrary.standard();
  private static final MethodHandle OPEN =
      LIBRARY.bind("open_memstream", FunctionDescriptor.of(JAVA_LONG, ADDRESS, ADDRESS));
  private static final MethodHandle CLOSE =
      LIBRARY.bind("fclose", FunctionDescriptor.of(JAVA_INT, JAVA_LONG));
  private static final MethodHandle FREE =
      LIBRARY.bind("free", FunctionDescriptor.ofVoid(JAVA_LONG));

  private TextStream() {}

  /// Runs a printer.
  ///
  /// @param printer is given a `FILE *`
  /// @return what it printed
  /// @throws NativeCallException if there is no memory
  public static String collect(LongConsumer printer) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment text = arena.allocate(JAVA_LONG);
      MemorySegment size = arena.allocate(JAVA_LONG);
      long stream = open(text, size);
      int code;
      try {
        printer.accept(stream);
      } finally {
        code = close(stream);
      }
      long address = text.get(JAVA_LONG, 0);
      if (code != 0 || address == 0) {
        throw new NativeCallException("libc", "fclose", code, "text was not collected");
      }
      String collected = read(address, size.get(JAVA_LONG, 0));
      free(address);
      return collected;
    }
  }

  private static String read(long address, long bytes) {
    byte[] copy = RawMemory.view(address, bytes).toArray(JAVA_BYTE);
    return new String(copy, StandardCharsets.UTF_8);
  }

  private static long open(MemorySegment text, MemorySegment size) {
    long stream;
    try {
      stream = (long) OPEN.invokeExact(text, size);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
    if (stream == 0) {
      throw new NativeCallException("libc", "open_memstream", 0, "no memory");
    }
    return stream;
  }

  private static int close(long stream) {
    try {
      return (int) CLOSE.invokeExact(stream);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  private static void free(long address) {
    try {
      FREE.invokeExact(address);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }
}
