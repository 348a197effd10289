package io.crossdock.verify.network;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import io.crossdock.ffi.NativeCallException;
import io.crossdock.ffi.NativeLibrary;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;

/// A network interface of the kernel whose packets this process reads and writes, one a call
/// (Linux, `/dev/net/tun`). It may be moved into another network namespace and stays attached; it
/// is gone when this is closed.
///
/// One thread may read while another one writes; neither may while it is closed.
final class Tun implements AutoCloseable {
  /// Largest packet that an interface may carry.
  static final int MAX_PACKET_BYTES = 1 << 16;

  private static final String DEVICE = "/dev/net/tun";
  private static final String NAME = "libc";
  private static final int O_RDWR_NONBLOCK_CLOEXEC = 0x8_0802;
  private static final long TUNSETIFF = 0x4004_54caL;
  private static final short IFF_TUN_NO_PI = 0x1001;
  private static final int MAX_NAME_BYTES = 15;
  private static final long FLAGS_OFFSET = 16;
  private static final long IFREQ_BYTES = 40;
  private static final short POLLIN = 1;
  private static final long POLLFD_BYTES = 8;
  private static final int EAGAIN = 11;
  private static final int EINTR = 4;

  private static final StructLayout STATE = Linker.Option.captureStateLayout();
  private static final VarHandle ERRNO =
      STATE.varHandle(MemoryLayout.PathElement.groupElement("errno"));
  private static final Linker.Option KEEP_ERRNO = Linker.Option.captureCallState("errno");
  private static final Linker.Option VARIADIC = Linker.Option.firstVariadicArg(2);
  private static final NativeLibrary LIBRARY = NativeLibrary.standard();
  private static final MethodHandle OPEN =
      LIBRARY.bind(
          "open", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_INT), KEEP_ERRNO, VARIADIC);
  private static final MethodHandle IOCTL =
      LIBRARY.bind(
          "ioctl",
          FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG, ADDRESS),
          KEEP_ERRNO,
          VARIADIC);
  private static final FunctionDescriptor TRANSFER =
      FunctionDescriptor.of(JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG);
  private static final MethodHandle READ = LIBRARY.bind("read", TRANSFER, KEEP_ERRNO);
  private static final MethodHandle WRITE = LIBRARY.bind("write", TRANSFER, KEEP_ERRNO);
  private static final MethodHandle POLL =
      LIBRARY.bind(
          "poll", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, JAVA_INT), KEEP_ERRNO);
  private static final MethodHandle CLOSE =
      LIBRARY.bind("close", FunctionDescriptor.of(JAVA_INT, JAVA_INT), KEEP_ERRNO);

  private final Arena arena = Arena.ofShared();
  private final MemorySegment readState = arena.allocate(STATE);
  private final MemorySegment writeState = arena.allocate(STATE);
  private final MemorySegment waited = arena.allocate(POLLFD_BYTES, 4);
  private final int descriptor;
  private boolean closed;

  private Tun(int descriptor) {
    this.descriptor = descriptor;
    waited.set(JAVA_INT, 0, descriptor);
    waited.set(JAVA_SHORT, 4, POLLIN);
  }

  /// Makes an interface in the network namespace of this process.
  ///
  /// @param name of the interface, not taken
  /// @return the interface, down and without an address
  /// @throws NativeCallException if that is not allowed here
  static Tun create(String name) {
    if (name.length() > MAX_NAME_BYTES) {
      throw new IllegalArgumentException("name of an interface is too long: name=" + name);
    }
    Tun tun = new Tun(open());
    try {
      tun.attach(name);
      return tun;
    } catch (NativeCallException e) {
      tun.close();
      throw e;
    }
  }

  private static int open() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment state = arena.allocate(STATE);
      MemorySegment path = arena.allocateFrom(DEVICE);
      int result;
      try {
        result = (int) OPEN.invokeExact(state, path, O_RDWR_NONBLOCK_CLOEXEC);
      } catch (Throwable e) {
        throw new AssertionError(e);
      }
      check("open", result, state);
      return result;
    }
  }

  private void attach(String name) {
    try (Arena scratch = Arena.ofConfined()) {
      MemorySegment request = scratch.allocate(IFREQ_BYTES, 8);
      request.setString(0, name);
      request.set(JAVA_SHORT, FLAGS_OFFSET, IFF_TUN_NO_PI);
      int result;
      try {
        result = (int) IOCTL.invokeExact(writeState, descriptor, TUNSETIFF, request);
      } catch (Throwable e) {
        throw new AssertionError(e);
      }
      check("ioctl", result, writeState);
    }
  }

  /// Waits until a packet may be read.
  ///
  /// @param millis at most
  void await(int millis) {
    int result;
    try {
      result = (int) POLL.invokeExact(readState, waited, 1L, millis);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
    if (result < 0 && errno(readState) != EINTR) {
      check("poll", result, readState);
    }
  }

  /// Takes a packet that the kernel sends, without waiting.
  ///
  /// @param packet room for [#MAX_PACKET_BYTES]
  /// @return its bytes; 0 if there is none
  int read(MemorySegment packet) {
    long result;
    long room = packet.byteSize();
    try {
      result = (long) READ.invokeExact(readState, descriptor, packet, room);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
    if (result < 0 && errno(readState) == EAGAIN) {
      return 0;
    }
    check("read", (int) result, readState);
    return (int) result;
  }

  /// Gives the kernel a packet as if it came from the network.
  ///
  /// @param packet native memory
  /// @param bytes of the packet
  /// @return false if the kernel did not take it, for example because the interface is down
  boolean write(MemorySegment packet, int bytes) {
    long result;
    long size = bytes;
    try {
      result = (long) WRITE.invokeExact(writeState, descriptor, packet, size);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
    return result == bytes;
  }

  private static int errno(MemorySegment state) {
    return (int) ERRNO.get(state, 0L);
  }

  private static void check(String symbol, int result, MemorySegment state) {
    if (result < 0) {
      throw new NativeCallException(NAME, symbol, errno(state), DEVICE);
    }
  }

  /// Removes the interface. Idempotent.
  @Override
  public void close() {
    if (closed) {
      return;
    }
    closed = true;
    int result;
    try {
      result = (int) CLOSE.invokeExact(writeState, descriptor);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
    try {
      check("close", result, writeState);
    } finally {
      arena.close();
    }
  }
}
