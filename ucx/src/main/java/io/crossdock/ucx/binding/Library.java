package io.crossdock.ucx.binding;

import io.crossdock.ffi.LibC;
import io.crossdock.ffi.NativeLibrary;
import io.crossdock.ffi.RawMemory;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// The shared libraries of UCX, loaded so that they do not disturb a JVM.
///
/// Safe for any thread.
public final class Library {
  /// UCX has put up signal handlers that end a JVM at the first exception for a null reference in
  /// compiled code: none are wanted, whatever the user set.
  private static final String SIGNALS = "UCX_ERROR_SIGNALS";

  /// What else is set unless the user did. `munmap` is not watched, so UCX keeps no registration of
  /// a caller's memory beyond an operation; a peer that went is told by a transport, not by a log.
  private static final Map<String, String> DEFAULTS =
      Map.of("UCX_MEM_EVENTS", "n", "UCX_LOG_LEVEL", "fatal", "UCX_WARN_UNUSED_ENV_VARS", "n");

  private static final int MOST_TEXT_BYTES = 4096;
  private static final String NAME = "libucp.so.0";
  private static final NativeLibrary UCP = load(NAME);
  private static final NativeLibrary UCS = load("libucs.so.0");

  private Library() {}

  private static NativeLibrary load(String soname) {
    LibC.setEnvironment(SIGNALS, "");
    DEFAULTS.forEach(Library::setUnlessSet);
    return NativeLibrary.probe(soname);
  }

  private static void setUnlessSet(String name, String value) {
    if (System.getenv(name) == null) {
      LibC.setEnvironment(name, value);
    }
  }

  /// {@return why UCX cannot be used; empty if it can}
  public static List<String> reasons() {
    List<String> reasons = new ArrayList<>(UCP.reasons());
    if (reasons.isEmpty()) {
      reasons.addAll(UCS.reasons());
    }
    return reasons;
  }

  static String name() {
    return NAME;
  }

  static MethodHandle bind(String symbol, FunctionDescriptor type, Linker.Option... options) {
    return UCP.bind(symbol, type, options);
  }

  static MethodHandle bindServices(String symbol, FunctionDescriptor type) {
    return UCS.bind(symbol, type);
  }

  static String text(MemorySegment string) {
    MemorySegment view = RawMemory.view(string.address(), MOST_TEXT_BYTES);
    long length = 0;
    while (length < MOST_TEXT_BYTES && view.get(ValueLayout.JAVA_BYTE, length) != 0) {
      length++;
    }
    byte[] bytes = view.asSlice(0, length).toArray(ValueLayout.JAVA_BYTE);
    return new String(bytes, StandardCharsets.UTF_8);
  }
}
