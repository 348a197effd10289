package io.crossdock.ffi;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.function.LongConsumer;

/// Functions `void (*)(void *)`, with which C libraries let others give something back to them.
///
/// Safe for any thread.
public final class ReleaseFunction {
  private static final Linker LINKER = Linker.nativeLinker();
  private static final FunctionDescriptor TYPE = FunctionDescriptor.ofVoid(JAVA_LONG);
  // Not critical: the function may take locks and may come back to Java.
  private static final MethodHandle CALL = bindCall();
  private static final MethodHandle ACCEPT = bindAccept();

  private ReleaseFunction() {}

  /// Calls a function of a library. The caller vouches for both: a wrong address is a crash, not an
  /// exception.
  ///
  /// @param function its address
  /// @param argument what it is given
  /// @throws IllegalArgumentException if the address is 0
  public static void call(long function, long argument) {
    if (function == 0) {
      throw new IllegalArgumentException("no such function: address=0x0");
    }
    MemorySegment target = MemorySegment.ofAddress(function);
    try {
      CALL.invokeExact(target, argument);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  /// Makes a function that a library may call from any of its threads, for ever. Make few: each
  /// takes a little memory that is never freed. What the body throws goes to the uncaught exception
  /// handler of the thread, since C has no words for it.
  ///
  /// @param body what the function does with its argument
  /// @return address of the function
  @SuppressWarnings("restricted")
  public static long of(LongConsumer body) {
    LongConsumer safe = argument -> guarded(body, argument);
    return LINKER.upcallStub(ACCEPT.bindTo(safe), TYPE, Arena.global()).address();
  }

  private static void guarded(LongConsumer body, long argument) {
    try {
      body.accept(argument);
    } catch (Throwable e) {
      Thread thread = Thread.currentThread();
      thread.getUncaughtExceptionHandler().uncaughtException(thread, e);
    }
  }

  @SuppressWarnings("restricted")
  private static MethodHandle bindCall() {
    return LINKER.downcallHandle(TYPE);
  }

  private static MethodHandle bindAccept() {
    try {
      MethodType type = MethodType.methodType(void.class, long.class);
      return MethodHandles.publicLookup().findVirtual(LongConsumer.class, "accept", type);
    } catch (ReflectiveOperationException e) {
      throw new LinkageError(e.getMessage(), e);
    }
  }
}
