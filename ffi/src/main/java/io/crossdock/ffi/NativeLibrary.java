package io.crossdock.ffi;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// A shared library that was found under one of several names, or the reasons why it was not.
///
/// Safe for any thread.
public final class NativeLibrary {
  private static final Linker LINKER = Linker.nativeLinker();

  private final String name;
  private final Optional<SymbolLookup> symbols;
  private final List<String> reasons;

  private NativeLibrary(String name, Optional<SymbolLookup> symbols, List<String> reasons) {
    this.name = name;
    this.symbols = symbols;
    this.reasons = List.copyOf(reasons);
  }

  /// Tries to load a library; never throws for a library that is not there.
  ///
  /// @param sonames names in order of preference, for example `libcuda.so.1`
  /// @return the library, loaded for ever, or the reasons why none could be
  @SuppressWarnings("restricted")
  public static NativeLibrary probe(String... sonames) {
    List<String> reasons = new ArrayList<>();
    for (String soname : sonames) {
      try {
        return new NativeLibrary(
            soname, Optional.of(SymbolLookup.libraryLookup(soname, Arena.global())), List.of());
      } catch (IllegalArgumentException e) {
        String text = LibC.loadFailure(soname).orElse(e.getMessage());
        reasons.add("library could not be loaded: name=" + soname + ", text=" + text);
      }
    }
    return new NativeLibrary(String.join("|", sonames), Optional.empty(), reasons);
  }

  /// {@return the C library and what else the JVM has loaded itself}
  public static NativeLibrary standard() {
    return new NativeLibrary("libc", Optional.of(LINKER.defaultLookup()), List.of());
  }

  /// {@return the name it was found under, or all names tried}
  public String name() {
    return name;
  }

  /// {@return true if it was found}
  public boolean isAvailable() {
    return symbols.isPresent();
  }

  /// {@return why it was not found; empty if it was}
  public List<String> reasons() {
    return reasons;
  }

  /// Binds a function.
  ///
  /// @param symbol its name
  /// @param type its signature
  /// @param options linker options
  /// @return the handle
  /// @throws IllegalStateException if the library or the symbol is not there
  public MethodHandle bind(String symbol, FunctionDescriptor type, Linker.Option... options) {
    return bindIfPresent(symbol, type, options)
        .orElseThrow(() ->
            new IllegalStateException(
                "symbol is not there: library=" + name + ", symbol=" + symbol));
  }

  /// Binds a function that may be missing, for example because the library is too old.
  ///
  /// @param symbol its name
  /// @param type its signature
  /// @param options linker options
  /// @return the handle; empty if the library or the symbol is not there
  @SuppressWarnings("restricted")
  public Optional<MethodHandle> bindIfPresent(
      String symbol, FunctionDescriptor type, Linker.Option... options) {
    Optional<MemorySegment> address = symbols.flatMap(found -> found.find(symbol));
    return address.map(found -> LINKER.downcallHandle(found, type, options));
  }
}
