package io.crossdock.cuda.driver;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.crossdock.ffi.NativeLibrary;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;

/// A function of the driver, and one method for each shape of a call. All answer a `CUresult`.
/// Handles, sizes and addresses, those of host memory too, are 64-bit words here; whoever passes an
/// address keeps its memory alive until the call returns. No call is critical: each may wait for
/// the driver's locks.
///
/// A function that is not there answers [#MISSING], so that the class of the bindings can always be
/// loaded and every failure takes the same way.
///
/// Safe for any thread.
///
/// @param name symbol of the library
/// @param shape one letter for each parameter: `L` 64 bits, `I` 32 bits, `B` a byte, `H` an IPC
///   handle by value
/// @param handle the downcall
record Symbol(String name, String shape, MethodHandle handle) {
  /// Answer of a function that the library does not have; no `CUresult` is negative.
  static final int MISSING = -1;

  private static final MemoryLayout IPC_HANDLE =
      MemoryLayout.structLayout(MemoryLayout.sequenceLayout(SharedHandle.BYTES, JAVA_BYTE));

  static Symbol bind(NativeLibrary library, String name, String shape) {
    MemoryLayout[] parameters =
        shape.chars().mapToObj(Symbol::parameter).toArray(MemoryLayout[]::new);
    FunctionDescriptor type = FunctionDescriptor.of(JAVA_INT, parameters);
    MethodHandle handle = library.bindIfPresent(name, type).orElseGet(() -> missing(type));
    return new Symbol(name, shape, handle);
  }

  private static MemoryLayout parameter(int letter) {
    return switch (letter) {
      case 'L' -> JAVA_LONG;
      case 'I' -> JAVA_INT;
      case 'B' -> JAVA_BYTE;
      case 'H' -> IPC_HANDLE;
      default -> throw new AssertionError("no such parameter: letter=" + (char) letter);
    };
  }

  private static MethodHandle missing(FunctionDescriptor type) {
    MethodHandle answer = MethodHandles.constant(int.class, MISSING);
    return MethodHandles.dropArguments(answer, 0, type.toMethodType().parameterList());
  }

  /// Throws what the driver says of a code that is not 0.
  void check(int code) {
    if (code != 0) {
      throw Driver.failure(this, code);
    }
  }

  int call(int a) {
    try {
      return (int) handle.invokeExact(a);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  int call(long a) {
    try {
      return (int) handle.invokeExact(a);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  int call(int a, long b) {
    try {
      return (int) handle.invokeExact(a, b);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  int call(long a, int b) {
    try {
      return (int) handle.invokeExact(a, b);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  int call(long a, long b) {
    try {
      return (int) handle.invokeExact(a, b);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  int call(long a, int b, int c) {
    try {
      return (int) handle.invokeExact(a, b, c);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  int call(long a, int b, int c, int d) {
    try {
      return (int) handle.invokeExact(a, b, c, d);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  int call(long a, int b, long c) {
    try {
      return (int) handle.invokeExact(a, b, c);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  int call(long a, long b, int c) {
    try {
      return (int) handle.invokeExact(a, b, c);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  int call(long a, long b, long c) {
    try {
      return (int) handle.invokeExact(a, b, c);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  int call(long a, MemorySegment ipcHandle, int c) {
    try {
      return (int) handle.invokeExact(a, ipcHandle, c);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  int call(long a, long b, int c, long d) {
    try {
      return (int) handle.invokeExact(a, b, c, d);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  int call(long a, byte b, long c, long d) {
    try {
      return (int) handle.invokeExact(a, b, c, d);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  int call(long a, int b, long c, long d) {
    try {
      return (int) handle.invokeExact(a, b, c, d);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  int call(long a, long b, long c, long d) {
    try {
      return (int) handle.invokeExact(a, b, c, d);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  int call(long a, long b, int c, long d, long e) {
    try {
      return (int) handle.invokeExact(a, b, c, d, e);
    } catch (Throwable failure) {
      throw new AssertionError(failure);
    }
  }

  int call(long a, long b, long c, long d, long e) {
    try {
      return (int) handle.invokeExact(a, b, c, d, e);
    } catch (Throwable failure) {
      throw new AssertionError(failure);
    }
  }

  /// `cuLaunchKernel` with one-dimensional grid and blocks.
  int launch(long function, LaunchShape shape, long stream, long params) {
    int blocks = shape.numBlocks();
    int threads = shape.numThreads();
    int shared = shape.dynamicSharedBytes();
    try {
      return (int)
          handle.invokeExact(function, blocks, 1, 1, threads, 1, 1, shared, stream, params, 0L);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }
}
