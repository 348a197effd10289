package io.crossdock.ucx.binding;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.crossdock.ffi.RawMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// One place of a context where messages and puts leave and arrive.
///
/// Confined to one thread at a time; [#arm()] may be called beside the others if [#isShared()].
public final class Worker implements AutoCloseable {
  // ucp_worker_params_t and ucp_worker_attr_t
  private static final long PARAMS_BYTES = 512;
  private static final long THREAD_MODE_AT = 8;
  private static final long HAS_THREAD_MODE = 0x1;
  private static final long MOST_HEADER_AT = 32;
  private static final long HAS_MOST_HEADER = 0x8;
  private static final int MULTI = 2;

  // ucp_am_handler_param_t
  private static final long HANDLER_BYTES = 128;
  private static final long HANDLER_ID_AT = 8;
  private static final long HANDLER_FLAGS_AT = 12;
  private static final long HANDLER_FUNCTION_AT = 16;
  private static final long HAS_ID_FLAGS_FUNCTION = 0x1 | 0x2 | 0x4;
  private static final int WHOLE_MESSAGES = 0x1;

  // ucp_ep_params_t
  private static final long ENDPOINT_BYTES = 256;
  private static final long ADDRESS_AT = 8;
  private static final long ERROR_MODE_AT = 16;
  private static final long ERROR_FUNCTION_AT = 24;
  private static final long ERROR_ARGUMENT_AT = 32;
  private static final long HAS_ADDRESS_MODE_FUNCTION = 0x1 | 0x2 | 0x4;
  private static final int TELL_OF_PEERS = 1;

  private final boolean shared;
  private long handle;
  private long failed;

  private Worker(long handle) {
    this.handle = handle;
    shared = query(HAS_THREAD_MODE, JAVA_INT, THREAD_MODE_AT) == MULTI;
  }

  /// Makes one.
  ///
  /// @param context of it
  /// @return the worker
  public static Worker create(Context context) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment params = arena.allocate(PARAMS_BYTES, Long.BYTES);
      params.set(JAVA_LONG, 0, HAS_THREAD_MODE);
      params.set(JAVA_INT, THREAD_MODE_AT, MULTI);
      MemorySegment out = arena.allocate(JAVA_LONG);
      byte status = Ucp.workerCreate(context.handle(), params.address(), out.address());
      Ucp.check("ucp_worker_create", status);
      return new Worker(out.get(JAVA_LONG, 0));
    }
  }

  private long query(long field, ValueLayout layout, long at) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment attributes = arena.allocate(PARAMS_BYTES, Long.BYTES);
      attributes.set(JAVA_LONG, 0, field);
      Ucp.check("ucp_worker_query", Ucp.workerQuery(handle, attributes.address()));
      return ((Number) layout.varHandle().get(attributes, at)).longValue();
    }
  }

  /// {@return bytes of the longest message, header included, that all networks of this worker carry
  /// in one segment}
  public long segmentBytes() {
    return query(HAS_MOST_HEADER, JAVA_LONG, MOST_HEADER_AT);
  }

  /// {@return false if this UCX was built for one thread only}
  public boolean isShared() {
    return shared;
  }

  /// Says who takes messages of one id and hears of failures. Once, before the first endpoint.
  ///
  /// @param id of the messages
  /// @param receiver who
  /// @param arena closed after the worker
  public void listen(int id, Receiver receiver, Arena arena) {
    failed = Upcalls.failed(receiver, arena);
    MemorySegment params = arena.allocate(HANDLER_BYTES, Long.BYTES);
    params.set(JAVA_LONG, 0, HAS_ID_FLAGS_FUNCTION);
    params.set(JAVA_INT, HANDLER_ID_AT, id);
    params.set(JAVA_INT, HANDLER_FLAGS_AT, WHOLE_MESSAGES);
    params.set(JAVA_LONG, HANDLER_FUNCTION_AT, Upcalls.received(receiver, arena));
    byte status = Ucp.workerSetHandler(handle, params.address());
    Ucp.check("ucp_worker_set_am_recv_handler", status);
  }

  /// {@return what a peer needs to make an endpoint to this worker}
  public byte[] address() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(JAVA_LONG);
      MemorySegment size = arena.allocate(JAVA_LONG);
      byte status = Ucp.workerAddress(handle, out.address(), size.address());
      Ucp.check("ucp_worker_get_address", status);
      long address = out.get(JAVA_LONG, 0);
      byte[] copy = RawMemory.view(address, size.get(JAVA_LONG, 0)).toArray(JAVA_BYTE);
      Ucp.workerReleaseAddress(handle, address);
      return copy;
    }
  }

  /// Makes an endpoint; it connects while there is progress.
  ///
  /// @param peer number told with its failure
  /// @param peerAddress of the peer's worker
  /// @return the endpoint
  public Endpoint connect(int peer, byte[] peerAddress) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment params = arena.allocate(ENDPOINT_BYTES, Long.BYTES);
      params.set(JAVA_LONG, 0, HAS_ADDRESS_MODE_FUNCTION);
      params.set(JAVA_LONG, ADDRESS_AT, arena.allocateFrom(JAVA_BYTE, peerAddress).address());
      params.set(JAVA_INT, ERROR_MODE_AT, TELL_OF_PEERS);
      params.set(JAVA_LONG, ERROR_FUNCTION_AT, failed);
      params.set(JAVA_LONG, ERROR_ARGUMENT_AT, peer);
      MemorySegment out = arena.allocate(JAVA_LONG);
      byte status = Ucp.endpointCreate(handle, params.address(), out.address());
      Ucp.check("ucp_ep_create", status);
      return new Endpoint(out.get(JAVA_LONG, 0));
    }
  }

  /// {@return descriptor of a file that can be read when there is something to do after [#arm()]}
  public int file() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(JAVA_INT);
      Ucp.check("ucp_worker_get_efd", Ucp.workerFile(handle, out.address()));
      return out.get(JAVA_INT, 0);
    }
  }

  /// Makes the file tell of what happens from now on.
  ///
  /// @return false if there is something to do now
  public boolean arm() {
    byte status = Ucp.workerArm(handle);
    if (status == Ucp.BUSY) {
      return false;
    }
    Ucp.check("ucp_worker_arm", status);
    return true;
  }

  /// Moves what is under way.
  ///
  /// @return true if something happened
  public boolean progress() {
    return Ucp.workerProgress(handle) != 0;
  }

  /// Puts what comes later behind what came before, at each peer.
  public void fence() {
    Ucp.check("ucp_worker_fence", Ucp.workerFence(handle));
  }

  long handle() {
    return handle;
  }

  /// Ends it; its endpoints were closed before. Idempotent.
  @Override
  public void close() {
    if (handle != 0) {
      Ucp.workerDestroy(handle);
      handle = 0;
    }
  }
}
