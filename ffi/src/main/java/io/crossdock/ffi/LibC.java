package io.crossdock.ffi;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;
import java.util.Optional;

/// The few functions of the C library that Java has no words for.
///
/// Safe for any thread.
public final class LibC {
  /// Pages that nobody may touch.
  public static final int PROT_NONE = 0;

  /// Pages that may be read and written.
  public static final int PROT_READ_WRITE = 3;

  /// Pages that may be read and run.
  public static final int PROT_READ_EXECUTE = 5;

  /// Stops a process.
  public static final int SIGSTOP = 19;

  /// Continues a stopped process.
  public static final int SIGCONT = 18;

  /// Has a Java virtual machine print what its threads do.
  public static final int SIGQUIT = 3;

  /// Ends a process at once.
  public static final int SIGKILL = 9;

  /// Not reserved either: a mapping larger than the machine is fine as long as it stays empty.
  private static final int MAP_PRIVATE_ANONYMOUS = 0x4022;

  private static final int RTLD_NOW = 2;
  private static final String NAME = "libc";
  private static final NativeLibrary LIBRARY = NativeLibrary.standard();
  private static final StructLayout STATE = Linker.Option.captureStateLayout();
  private static final VarHandle ERRNO =
      STATE.varHandle(MemoryLayout.PathElement.groupElement("errno"));
  private static final Linker.Option KEEP_ERRNO = Linker.Option.captureCallState("errno");

  private static final MethodHandle MMAP =
      LIBRARY.bind(
          "mmap",
          FunctionDescriptor.of(
              JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG),
          KEEP_ERRNO);
  private static final MethodHandle MUNMAP =
      LIBRARY.bind("munmap", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG), KEEP_ERRNO);
  private static final MethodHandle MPROTECT =
      LIBRARY.bind(
          "mprotect", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT), KEEP_ERRNO);
  private static final MethodHandle KILL =
      LIBRARY.bind("kill", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT), KEEP_ERRNO);
  private static final MethodHandle SETENV =
      LIBRARY.bind(
          "setenv", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, JAVA_INT), KEEP_ERRNO);
  private static final MethodHandle DLOPEN =
      LIBRARY.bind("dlopen", FunctionDescriptor.of(JAVA_LONG, ADDRESS, JAVA_INT));
  private static final MethodHandle DLERROR =
      LIBRARY.bind("dlerror", FunctionDescriptor.of(ADDRESS));
  private static final MethodHandle STRERROR =
      LIBRARY.bind("strerror", FunctionDescriptor.of(ADDRESS, JAVA_INT));
  // Not critical: a copy may take milliseconds, and a critical call would hold up safepoints.
  private static final MethodHandle MEMCPY =
      LIBRARY.bind("memcpy", FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG));

  private LibC() {}

  /// Maps zeroed private memory.
  ///
  /// @param byteSize bytes; rounded up to pages by the kernel
  /// @return address of the first byte
  /// @throws NativeCallException if there is none
  public static long mapAnonymous(long byteSize) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment state = arena.allocate(STATE);
      long address;
      try {
        address =
            (long)
                MMAP.invokeExact(
                    state, 0L, byteSize, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0L);
      } catch (Throwable e) {
        throw new AssertionError(e);
      }
      check("mmap", address == -1 ? -1 : 0, state);
      return address;
    }
  }

  /// Unmaps memory.
  ///
  /// @param address as mapped
  /// @param byteSize as mapped
  public static void unmap(long address, long byteSize) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment state = arena.allocate(STATE);
      int result;
      try {
        result = (int) MUNMAP.invokeExact(state, address, byteSize);
      } catch (Throwable e) {
        throw new AssertionError(e);
      }
      check("munmap", result, state);
    }
  }

  /// Changes who may touch pages.
  ///
  /// @param address of the first page
  /// @param byteSize bytes, whole pages
  /// @param protection [#PROT_NONE], [#PROT_READ_WRITE] or [#PROT_READ_EXECUTE]
  public static void protect(long address, long byteSize, int protection) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment state = arena.allocate(STATE);
      int result;
      try {
        result = (int) MPROTECT.invokeExact(state, address, byteSize, protection);
      } catch (Throwable e) {
        throw new AssertionError(e);
      }
      check("mprotect", result, state);
    }
  }

  /// Sends a signal.
  ///
  /// @param pid process
  /// @param signal for example [#SIGSTOP]
  public static void signal(long pid, int signal) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment state = arena.allocate(STATE);
      int result;
      try {
        result = (int) KILL.invokeExact(state, Math.toIntExact(pid), signal);
      } catch (Throwable e) {
        throw new AssertionError(e);
      }
      check("kill", result, state);
    }
  }

  /// Copies bytes with the C library's `memcpy`: the yard-stick of the benchmarks.
  ///
  /// @param target native memory of at least as many bytes
  /// @param source native memory of at least as many bytes
  /// @param byteSize bytes
  public static void copy(MemorySegment target, MemorySegment source, long byteSize) {
    if (target.byteSize() < byteSize || source.byteSize() < byteSize) {
      throw new IndexOutOfBoundsException(
          "copy is out of range: byteSize="
              + byteSize
              + ", targetBytes="
              + target.byteSize()
              + ", sourceBytes="
              + source.byteSize());
    }
    long to = target.address();
    long from = source.address();
    long result;
    try {
      result = (long) MEMCPY.invokeExact(to, from, byteSize);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
    if (result != to) {
      throw new NativeCallException(NAME, "memcpy", -1, "returned another address");
    }
  }

  /// Sets a variable of the process's environment, as native libraries see it; Java keeps the copy
  /// that it made when it started. No other thread may read the environment meanwhile.
  ///
  /// @param name of the variable
  /// @param value replaces the old one
  /// @throws NativeCallException if the name is not one
  public static void setEnvironment(String name, String value) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment state = arena.allocate(STATE);
      MemorySegment nativeName = arena.allocateFrom(name);
      MemorySegment nativeValue = arena.allocateFrom(value);
      int result;
      try {
        result = (int) SETENV.invokeExact(state, nativeName, nativeValue, 1);
      } catch (Throwable e) {
        throw new AssertionError(e);
      }
      check("setenv", result, state);
    }
  }

  /// Tries to load a library, and tells in the loader's words why it cannot be loaded.
  ///
  /// @param soname of the library
  /// @return the loader's message; empty if the library was loaded
  static Optional<String> loadFailure(String soname) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment name = arena.allocateFrom(soname);
      long library;
      try {
        library = (long) DLOPEN.invokeExact(name, RTLD_NOW);
      } catch (Throwable e) {
        throw new AssertionError(e);
      }
      return library != 0 ? Optional.empty() : Optional.of(loaderText());
    }
  }

  private static String loaderText() {
    MemorySegment text;
    try {
      text = (MemorySegment) DLERROR.invokeExact();
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
    return text.address() == 0
        ? "no reason given"
        : RawMemory.view(text.address(), Short.MAX_VALUE).getString(0);
  }

  private static void check(String symbol, int result, MemorySegment state) {
    if (result != 0) {
      int errno = (int) ERRNO.get(state, 0L);
      throw new NativeCallException(NAME, symbol, errno, text(errno));
    }
  }

  private static String text(int errno) {
    MemorySegment text;
    try {
      text = (MemorySegment) STRERROR.invokeExact(errno);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
    return RawMemory.view(text.address(), Short.MAX_VALUE).getString(0);
  }
}
