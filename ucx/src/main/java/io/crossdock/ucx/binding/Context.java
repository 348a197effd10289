package io.crossdock.ucx.binding;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.crossdock.ffi.RawMemory;
import io.crossdock.ffi.TextStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// UCX, opened with settings: its devices and the memory that they may reach.
///
/// Safe for any thread, but for [#close()].
public final class Context implements AutoCloseable {
  // ucp_params_t, larger than any version has it
  private static final long PARAMS_BYTES = 256;
  private static final long FEATURES_AT = 8;
  private static final long NUM_ENDPOINTS_AT = 56;
  private static final long HAS_FEATURES_AND_ENDPOINTS = 0x1 | 0x40;
  private static final long FEATURE_PUTS = 0x2;
  private static final long FEATURE_WAKEUP = 0x10;
  private static final long FEATURE_MESSAGES = 0x40;

  // ucp_mem_map_params_t
  private static final long MAP_BYTES = 256;
  private static final long MAP_ADDRESS_AT = 8;
  private static final long MAP_LENGTH_AT = 16;
  private static final long HAS_ADDRESS_AND_LENGTH = 0x1 | 0x2;

  private long handle;

  private Context(long handle) {
    this.handle = handle;
  }

  /// Opens UCX.
  ///
  /// @param config settings; not needed any more afterwards
  /// @param numEndpoints how many are to be expected
  /// @param puts true for puts beside messages
  /// @return the context
  public static Context open(Config config, int numEndpoints, boolean puts) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment params = arena.allocate(PARAMS_BYTES, Long.BYTES);
      params.set(JAVA_LONG, 0, HAS_FEATURES_AND_ENDPOINTS);
      long always = FEATURE_WAKEUP | FEATURE_MESSAGES;
      params.set(JAVA_LONG, FEATURES_AT, puts ? always | FEATURE_PUTS : always);
      params.set(JAVA_LONG, NUM_ENDPOINTS_AT, numEndpoints);
      MemorySegment out = arena.allocate(JAVA_LONG);
      Ucp.check("ucp_init_version", Ucp.init(params.address(), config.handle(), out.address()));
      return new Context(out.get(JAVA_LONG, 0));
    }
  }

  /// {@return version of the library, for example `1.13.1`}
  public static String version() {
    return Ucp.version();
  }

  /// {@return the second number of the version}
  public static int minorVersion() {
    return Integer.parseInt(version().split("\\.", -1)[1]);
  }

  /// {@return a description of devices and networks in use, many lines}
  public String text() {
    return TextStream.collect(stream -> Ucp.contextPrint(handle, stream));
  }

  /// Lets peers put into memory.
  ///
  /// @param address first byte
  /// @param byteSize bytes
  /// @return handle for [#pack] and [#unmap]
  public long map(long address, long byteSize) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment params = arena.allocate(MAP_BYTES, Long.BYTES);
      params.set(JAVA_LONG, 0, HAS_ADDRESS_AND_LENGTH);
      params.set(JAVA_LONG, MAP_ADDRESS_AT, address);
      params.set(JAVA_LONG, MAP_LENGTH_AT, byteSize);
      MemorySegment out = arena.allocate(JAVA_LONG);
      Ucp.check("ucp_mem_map", Ucp.memoryMap(handle, params.address(), out.address()));
      return out.get(JAVA_LONG, 0);
    }
  }

  /// {@return what a peer needs to put into mapped memory}
  ///
  /// @param memory a handle of [#map]
  public byte[] pack(long memory) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(JAVA_LONG);
      MemorySegment size = arena.allocate(JAVA_LONG);
      byte status = Ucp.keyPack(handle, memory, out.address(), size.address());
      Ucp.check("ucp_rkey_pack", status);
      long address = out.get(JAVA_LONG, 0);
      byte[] key = RawMemory.view(address, size.get(JAVA_LONG, 0)).toArray(JAVA_BYTE);
      Ucp.keyRelease(address);
      return key;
    }
  }

  /// Lets nobody put into memory any more.
  ///
  /// @param memory a handle of [#map]
  public void unmap(long memory) {
    Ucp.check("ucp_mem_unmap", Ucp.memoryUnmap(handle, memory));
  }

  long handle() {
    return handle;
  }

  /// Closes UCX; its workers were closed before. Idempotent.
  @Override
  public void close() {
    if (handle != 0) {
      Ucp.cleanup(handle);
      handle = 0;
    }
  }
}
