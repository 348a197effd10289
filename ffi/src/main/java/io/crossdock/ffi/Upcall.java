package io.crossdock.ffi;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.invoke.MethodHandle;

/// Functions that a C library may call.
///
/// Safe for any thread.
public final class Upcall {
  private static final Linker LINKER = Linker.nativeLinker();

  private Upcall() {}

  /// Makes a function. What its body throws would end the process, so it must throw nothing.
  ///
  /// @param body what the function does
  /// @param type its signature
  /// @param arena the library must not call the function any more when it is closed
  /// @return address of the function
  @SuppressWarnings("restricted")
  public static long of(MethodHandle body, FunctionDescriptor type, Arena arena) {
    return LINKER.upcallStub(body, type, arena).address();
  }
}
