package io.crossdock.ffi;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.IOException;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.Objects;

/// Copies with stores that go past the caches (non-temporal). A plain store first reads the line
/// that it overwrites; for targets larger than the caches these stores save that read, half of the
/// traffic of a write. They do not pay for small targets that are read again soon.
///
/// Java has no such store, so the loop is a page of machine code made at start-up, x86-64 with AVX:
///
/// ```
///   add rdi, rsi                 to + toOffset
///   add rdx, rcx                 from + fromOffset
/// 1: vmovdqu ymm0..3, [rdx ..]   128 bytes in
///   vmovntdq [rdi ..], ymm0..3   128 bytes out
///   sub rdx, -128
///   sub rdi, -128
///   add r8, -128                 bytes left
///   jne 1b
///   sfence                       a later release store comes after these stores
///   vzeroupper
///   ret
/// ```
///
/// Where that cannot be (another processor, a kernel that forbids such pages,
/// `-Dcrossdock.copy=plain`) [#copy] is [MemorySegment#copy].
///
/// Safe for any thread.
public final class StreamingCopy {
  private static final int LINE_BYTES = 64;
  private static final int UNIT_BYTES = 128;
  private static final long PAGE_BYTES = 4096;

  /// Some two microseconds: a critical call holds up safepoints.
  private static final long MAX_CALL_BYTES = 16 << 10;

  private static final String CODE =
      "4801f74801ca"
          + "c5fe6f02c5fe6f4a20c5fe6f5240c5fe6f5a60"
          + "c5fde707c5fde74f20c5fde75740c5fde75f60"
          + "4883ea804883ef804983c08075cc"
          + "0faef8c5f877c3";

  private static final MethodHandle COPY = load();

  private StreamingCopy() {}

  /// {@return true if this machine has such stores}
  public static boolean isAvailable() {
    return COPY != null;
  }

  /// Copies bytes; complete, and ordered before any later release store, on return.
  ///
  /// @param from source
  /// @param fromOffset first byte
  /// @param to target, native and not overlapping the source
  /// @param toOffset first byte
  /// @param byteSize bytes
  /// @throws IndexOutOfBoundsException if a range does not lie in its segment
  public static void copy(
      MemorySegment from, long fromOffset, MemorySegment to, long toOffset, long byteSize) {
    long head = -(to.address() + toOffset) & (LINE_BYTES - 1);
    long body = (byteSize - head) & -UNIT_BYTES;
    if (COPY == null || body <= 0 || !to.isNative() || to.isReadOnly()) {
      MemorySegment.copy(from, fromOffset, to, toOffset, byteSize);
      return;
    }
    Objects.checkFromIndexSize(fromOffset, byteSize, from.byteSize());
    Objects.checkFromIndexSize(toOffset, byteSize, to.byteSize());
    if (head > 0) {
      MemorySegment.copy(from, fromOffset, to, toOffset, head);
    }
    for (long at = head; at < head + body; at += MAX_CALL_BYTES) {
      long bytes = Math.min(MAX_CALL_BYTES, head + body - at);
      stream(to, toOffset + at, from, fromOffset + at, bytes);
    }
    long done = head + body;
    if (done < byteSize) {
      MemorySegment.copy(from, fromOffset + done, to, toOffset + done, byteSize - done);
    }
  }

  private static void stream(
      MemorySegment to, long toOffset, MemorySegment from, long fromOffset, long byteSize) {
    try {
      COPY.invokeExact(to, toOffset, from, fromOffset, byteSize);
    } catch (IllegalStateException | WrongThreadException e) {
      // Memory that was freed or belongs to another thread: what MemorySegment.copy would say too.
      throw e;
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  private static MethodHandle load() {
    boolean wanted = !"plain".equals(System.getProperty("crossdock.copy"));
    if (!wanted || !"amd64".equals(System.getProperty("os.arch")) || !hasAvx()) {
      return null;
    }
    try {
      return bind();
    } catch (NativeCallException e) {
      System.getLogger(StreamingCopy.class.getName())
          .log(System.Logger.Level.DEBUG, "no page for machine code", e);
      return null;
    }
  }

  private static boolean hasAvx() {
    try {
      return Files.readAllLines(Path.of("/proc/cpuinfo")).stream()
          .filter(line -> line.startsWith("flags"))
          .findFirst()
          .map(line -> (line + " ").contains(" avx "))
          .orElse(false);
    } catch (IOException e) {
      return false;
    }
  }

  // Critical: a leaf of at most MAX_CALL_BYTES.
  @SuppressWarnings("restricted")
  private static MethodHandle bind() {
    long page = LibC.mapAnonymous(PAGE_BYTES);
    MemorySegment code = RawMemory.view(page, PAGE_BYTES);
    byte[] bytes = HexFormat.of().parseHex(CODE);
    MemorySegment.copy(bytes, 0, code, ValueLayout.JAVA_BYTE, 0, bytes.length);
    LibC.protect(page, PAGE_BYTES, LibC.PROT_READ_EXECUTE);
    return Linker.nativeLinker()
        .downcallHandle(
            code,
            FunctionDescriptor.ofVoid(ADDRESS, JAVA_LONG, ADDRESS, JAVA_LONG, JAVA_LONG),
            Linker.Option.critical(true));
  }
}
