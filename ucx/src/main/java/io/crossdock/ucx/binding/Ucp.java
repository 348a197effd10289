package io.crossdock.ucx.binding;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.crossdock.ffi.NativeCallException;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/// Every function of UCX that the transport calls. Loading this class fails where UCX is missing,
/// so ask [Library#reasons()] first.
///
/// Handles, sizes and addresses are 64-bit words; whoever passes an address keeps its memory alive.
/// A `ucs_status_t` is one byte. An operation answers 0 when it is done, a status from -100 to -1
/// when it failed, else a request to be polled and then freed; no operation calls back.
///
/// Safe for any thread; what UCX says of a worker's threads holds.
final class Ucp {
  static final byte OK = 0;
  static final byte IN_PROGRESS = 1;
  static final byte NO_ELEMENT = -12;
  static final byte BUSY = -15;

  // The version of the interface that these signatures and numbers are from.
  private static final int API_MAJOR = 1;
  private static final int API_MINOR = 13;

  private static final long LAST_STATUS = -100;
  private static final MemoryLayout STATUS = JAVA_BYTE;

  private static final MethodHandle VERSION_STRING =
      Library.bind("ucp_get_version_string", FunctionDescriptor.of(ADDRESS));
  private static final MethodHandle STATUS_STRING =
      Library.bindServices("ucs_status_string", FunctionDescriptor.of(ADDRESS, STATUS));
  private static final MethodHandle CONFIG_READ =
      Library.bind(
          "ucp_config_read", FunctionDescriptor.of(STATUS, JAVA_LONG, JAVA_LONG, JAVA_LONG));
  private static final MethodHandle CONFIG_MODIFY =
      Library.bind(
          "ucp_config_modify", FunctionDescriptor.of(STATUS, JAVA_LONG, JAVA_LONG, JAVA_LONG));
  private static final MethodHandle CONFIG_PRINT =
      Library.bind(
          "ucp_config_print", FunctionDescriptor.ofVoid(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT));
  private static final MethodHandle CONFIG_RELEASE =
      Library.bind("ucp_config_release", FunctionDescriptor.ofVoid(JAVA_LONG));
  private static final MethodHandle INIT_VERSION =
      Library.bind(
          "ucp_init_version",
          FunctionDescriptor.of(STATUS, JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG));
  private static final MethodHandle CONTEXT_PRINT_INFO =
      Library.bind("ucp_context_print_info", FunctionDescriptor.ofVoid(JAVA_LONG, JAVA_LONG));
  private static final MethodHandle CLEANUP =
      Library.bind("ucp_cleanup", FunctionDescriptor.ofVoid(JAVA_LONG));
  private static final MethodHandle WORKER_CREATE =
      Library.bind(
          "ucp_worker_create", FunctionDescriptor.of(STATUS, JAVA_LONG, JAVA_LONG, JAVA_LONG));
  private static final MethodHandle WORKER_QUERY =
      Library.bind("ucp_worker_query", FunctionDescriptor.of(STATUS, JAVA_LONG, JAVA_LONG));
  private static final MethodHandle WORKER_GET_ADDRESS =
      Library.bind(
          "ucp_worker_get_address", FunctionDescriptor.of(STATUS, JAVA_LONG, JAVA_LONG, JAVA_LONG));
  private static final MethodHandle WORKER_RELEASE_ADDRESS =
      Library.bind("ucp_worker_release_address", FunctionDescriptor.ofVoid(JAVA_LONG, JAVA_LONG));
  private static final MethodHandle WORKER_GET_EFD =
      Library.bind("ucp_worker_get_efd", FunctionDescriptor.of(STATUS, JAVA_LONG, JAVA_LONG));
  private static final MethodHandle WORKER_ARM =
      Library.bind("ucp_worker_arm", FunctionDescriptor.of(STATUS, JAVA_LONG));
  private static final MethodHandle WORKER_SET_AM_RECV_HANDLER =
      Library.bind(
          "ucp_worker_set_am_recv_handler", FunctionDescriptor.of(STATUS, JAVA_LONG, JAVA_LONG));
  private static final MethodHandle WORKER_PROGRESS =
      Library.bind("ucp_worker_progress", FunctionDescriptor.of(JAVA_INT, JAVA_LONG));
  private static final MethodHandle WORKER_FENCE =
      Library.bind("ucp_worker_fence", FunctionDescriptor.of(STATUS, JAVA_LONG));
  private static final MethodHandle WORKER_FLUSH_NBX =
      Library.bind("ucp_worker_flush_nbx", FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG));
  private static final MethodHandle WORKER_DESTROY =
      Library.bind("ucp_worker_destroy", FunctionDescriptor.ofVoid(JAVA_LONG));
  private static final MethodHandle MEM_MAP =
      Library.bind("ucp_mem_map", FunctionDescriptor.of(STATUS, JAVA_LONG, JAVA_LONG, JAVA_LONG));
  private static final MethodHandle MEM_UNMAP =
      Library.bind("ucp_mem_unmap", FunctionDescriptor.of(STATUS, JAVA_LONG, JAVA_LONG));
  private static final MethodHandle RKEY_PACK =
      Library.bind(
          "ucp_rkey_pack",
          FunctionDescriptor.of(STATUS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG));
  private static final MethodHandle RKEY_BUFFER_RELEASE =
      Library.bind("ucp_rkey_buffer_release", FunctionDescriptor.ofVoid(JAVA_LONG));
  private static final MethodHandle EP_RKEY_UNPACK =
      Library.bind(
          "ucp_ep_rkey_unpack", FunctionDescriptor.of(STATUS, JAVA_LONG, JAVA_LONG, JAVA_LONG));
  private static final MethodHandle RKEY_DESTROY =
      Library.bind("ucp_rkey_destroy", FunctionDescriptor.ofVoid(JAVA_LONG));
  private static final MethodHandle EP_CREATE =
      Library.bind("ucp_ep_create", FunctionDescriptor.of(STATUS, JAVA_LONG, JAVA_LONG, JAVA_LONG));
  private static final MethodHandle EP_CLOSE_NBX =
      Library.bind("ucp_ep_close_nbx", FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG));
  private static final MethodHandle AM_SEND_NBX =
      Library.bind(
          "ucp_am_send_nbx",
          FunctionDescriptor.of(
              JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG,
              JAVA_LONG));
  private static final MethodHandle PUT_NBX =
      Library.bind(
          "ucp_put_nbx",
          FunctionDescriptor.of(
              JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG));
  // Critical: it reads one word.
  private static final MethodHandle REQUEST_CHECK_STATUS =
      Library.bind(
          "ucp_request_check_status",
          FunctionDescriptor.of(STATUS, JAVA_LONG),
          Linker.Option.critical(false));
  private static final MethodHandle REQUEST_FREE =
      Library.bind("ucp_request_free", FunctionDescriptor.ofVoid(JAVA_LONG));

  private Ucp() {}

  /// Throws what UCX says of a status that is not 0.
  static void check(String symbol, byte status) {
    if (status != OK) {
      throw failure(symbol, status);
    }
  }

  static NativeCallException failure(String symbol, byte status) {
    return new NativeCallException(Library.name(), symbol, status, statusText(status));
  }

  /// True for what an operation answers when it failed at once.
  static boolean isFailure(long answer) {
    return answer < 0 && answer >= LAST_STATUS;
  }

  static String version() {
    try {
      return Library.text((MemorySegment) VERSION_STRING.invokeExact());
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  static String statusText(byte status) {
    try {
      return Library.text((MemorySegment) STATUS_STRING.invokeExact(status));
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  static long send(long endpoint, int id, Operation operation) {
    long header = operation.headerAddress();
    long headerBytes = operation.headerBytes();
    long data = operation.dataAddress();
    long count = operation.dataCount();
    long params = operation.params();
    try {
      return (long) AM_SEND_NBX.invokeExact(endpoint, id, header, headerBytes, data, count, params);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  static long put(long endpoint, long key, long remoteAddress, Operation operation) {
    long data = operation.dataAddress();
    long bytes = operation.dataCount();
    long params = operation.params();
    try {
      return (long) PUT_NBX.invokeExact(endpoint, data, bytes, remoteAddress, key, params);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  static byte configRead(long prefix, long file, long out) {
    try {
      return (byte) CONFIG_READ.invokeExact(prefix, file, out);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  static byte configModify(long config, long key, long value) {
    try {
      return (byte) CONFIG_MODIFY.invokeExact(config, key, value);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  static void configPrint(long config, long stream, long title, int what) {
    try {
      CONFIG_PRINT.invokeExact(config, stream, title, what);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  static void configRelease(long config) {
    try {
      CONFIG_RELEASE.invokeExact(config);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  static byte init(long params, long config, long out) {
    try {
      return (byte) INIT_VERSION.invokeExact(API_MAJOR, API_MINOR, params, config, out);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  static void contextPrint(long context, long stream) {
    try {
      CONTEXT_PRINT_INFO.invokeExact(context, stream);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  static void cleanup(long context) {
    try {
      CLEANUP.invokeExact(context);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  static byte workerCreate(long context, long params, long out) {
    try {
      return (byte) WORKER_CREATE.invokeExact(context, params, out);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  static byte workerQuery(long worker, long attributes) {
    try {
      return (byte) WORKER_QUERY.invokeExact(worker, attributes);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  static byte workerAddress(long worker, long out, long size) {
    try {
      return (byte) WORKER_GET_ADDRESS.invokeExact(worker, out, size);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  static void workerReleaseAddress(long worker, long address) {
    try {
      WORKER_RELEASE_ADDRESS.invokeExact(worker, address);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  static byte workerFile(long worker, long out) {
    try {
      return (byte) WORKER_GET_EFD.invokeExact(worker, out);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  static byte workerArm(long worker) {
    try {
      return (byte) WORKER_ARM.invokeExact(worker);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  static byte workerSetHandler(long worker, long params) {
    try {
      return (byte) WORKER_SET_AM_RECV_HANDLER.invokeExact(worker, params);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  static int workerProgress(long worker) {
    try {
      return (int) WORKER_PROGRESS.invokeExact(worker);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  static byte workerFence(long worker) {
    try {
      return (byte) WORKER_FENCE.invokeExact(worker);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  static long workerFlush(long worker, long params) {
    try {
      return (long) WORKER_FLUSH_NBX.invokeExact(worker, params);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  static void workerDestroy(long worker) {
    try {
      WORKER_DESTROY.invokeExact(worker);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  static byte memoryMap(long context, long params, long out) {
    try {
      return (byte) MEM_MAP.invokeExact(context, params, out);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  static byte memoryUnmap(long context, long memory) {
    try {
      return (byte) MEM_UNMAP.invokeExact(context, memory);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  static byte keyPack(long context, long memory, long out, long size) {
    try {
      return (byte) RKEY_PACK.invokeExact(context, memory, out, size);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  static void keyRelease(long packed) {
    try {
      RKEY_BUFFER_RELEASE.invokeExact(packed);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  static byte keyUnpack(long endpoint, long packed, long out) {
    try {
      return (byte) EP_RKEY_UNPACK.invokeExact(endpoint, packed, out);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  static void keyDestroy(long key) {
    try {
      RKEY_DESTROY.invokeExact(key);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  static byte endpointCreate(long worker, long params, long out) {
    try {
      return (byte) EP_CREATE.invokeExact(worker, params, out);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  static long endpointClose(long endpoint, long params) {
    try {
      return (long) EP_CLOSE_NBX.invokeExact(endpoint, params);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  static byte requestStatus(long request) {
    try {
      return (byte) REQUEST_CHECK_STATUS.invokeExact(request);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  static void requestFree(long request) {
    try {
      REQUEST_FREE.invokeExact(request);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }
}
