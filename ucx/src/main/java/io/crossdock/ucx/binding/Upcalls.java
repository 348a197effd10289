package io.crossdock.ucx.binding;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.crossdock.ffi.RawMemory;
import io.crossdock.ffi.Upcall;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;

/// The two functions through which UCX calls a receiver. Nothing is thrown through them.
///
/// Safe for the threads that the worker is for.
final class Upcalls {
  private static final FunctionDescriptor RECEIVED_TYPE =
      FunctionDescriptor.of(
          JAVA_BYTE, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG);
  private static final FunctionDescriptor FAILED_TYPE =
      FunctionDescriptor.ofVoid(JAVA_LONG, JAVA_LONG, JAVA_BYTE);
  private static final long RENDEZVOUS = 0x20000; // of ucp_am_recv_param_t.recv_attr
  private static final MemorySegment MEMORY = RawMemory.everything();

  private final Receiver receiver;

  private Upcalls(Receiver receiver) {
    this.receiver = receiver;
  }

  /// A `ucp_am_recv_callback_t`.
  static long received(Receiver receiver, Arena arena) {
    MethodHandle body = method(receiver, "received", RECEIVED_TYPE.toMethodType(), 1);
    return Upcall.of(body, RECEIVED_TYPE, arena);
  }

  /// A `ucp_err_handler_cb_t`.
  static long failed(Receiver receiver, Arena arena) {
    MethodHandle body = method(receiver, "failed", FAILED_TYPE.toMethodType(), 0);
    return Upcall.of(body, FAILED_TYPE, arena);
  }

  private static MethodHandle method(
      Receiver receiver, String name, MethodType type, int numIgnored) {
    MethodType taken = type.dropParameterTypes(0, numIgnored);
    try {
      MethodHandle found = MethodHandles.lookup().findVirtual(Upcalls.class, name, taken);
      MethodHandle bound = found.bindTo(new Upcalls(receiver));
      return MethodHandles.dropArguments(bound, 0, type.parameterList().subList(0, numIgnored));
    } catch (ReflectiveOperationException e) {
      throw new LinkageError(e.getMessage(), e);
    }
  }

  @SuppressWarnings("unused")
  private byte received(long header, long headerBytes, long data, long dataBytes, long params) {
    try {
      boolean hasData = (MEMORY.get(JAVA_LONG, params) & RENDEZVOUS) == 0;
      receiver.received(header, headerBytes, data, dataBytes, hasData);
    } catch (Throwable e) {
      receiver.broken(e);
    }
    return Ucp.OK;
  }

  @SuppressWarnings("unused")
  private void failed(long peer, long endpoint, byte status) {
    try {
      receiver.failed((int) peer, status);
    } catch (Throwable e) {
      receiver.broken(e);
    }
  }
}
