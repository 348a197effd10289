package io.crossdock.ffi;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class FfiTest {
  @Test
  void aMissingLibraryIsToldNotThrown() {
    NativeLibrary library = NativeLibrary.probe("libnone-such.so.9", "libnone-such.so");
    assertThat(library.isAvailable()).isFalse();
    assertThat(library.reasons()).hasSize(2).allMatch(r -> r.contains("name=libnone-such.so"));
    assertThat(library.reasons().getFirst()).contains("text=libnone-such.so.9: cannot open");
    FunctionDescriptor type = FunctionDescriptor.ofVoid();
    assertThat(library.bindIfPresent("none", type)).isEmpty();
    assertThatThrownBy(() -> library.bind("none", type)).hasMessageContaining("symbol=none");
    assertThat(NativeLibrary.standard().isAvailable()).isTrue();
    assertThat(NativeLibrary.standard().name()).isEqualTo("libc");
  }

  @Test
  void errorsNameLibrarySymbolCodeAndText() {
    assertThatThrownBy(() -> LibC.unmap(1, 4096))
        .isInstanceOfSatisfying(NativeCallException.class, e -> assertThat(e.code()).isEqualTo(22))
        .hasMessageContaining("library=libc")
        .hasMessageContaining("symbol=munmap")
        .hasMessageContaining("Invalid argument");
    assertThatThrownBy(() -> LibC.signal(Integer.MAX_VALUE, 0)).hasMessageContaining("symbol=kill");
    assertThatThrownBy(() -> LibC.mapAnonymous(Long.MAX_VALUE)).hasMessageContaining("symbol=mmap");
  }

  @Test
  void theEnvironmentIsThatOfNativeLibraries() throws Throwable {
    LibC.setEnvironment("CROSSDOCK_TEST", "first");
    LibC.setEnvironment("CROSSDOCK_TEST", "second");
    FunctionDescriptor type = FunctionDescriptor.of(ADDRESS, ADDRESS);
    MethodHandle getenv = NativeLibrary.standard().bind("getenv", type);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment name = arena.allocateFrom("CROSSDOCK_TEST");
      MemorySegment value = (MemorySegment) getenv.invokeExact(name);
      assertThat(RawMemory.view(value.address(), 7).getString(0)).isEqualTo("second");
    }
    assertThatThrownBy(() -> LibC.setEnvironment("", "x")).hasMessageContaining("symbol=setenv");
  }

  @Test
  void cCallsJavaAndJavaCallsC() throws InterruptedException {
    List<Long> got = new ArrayList<>();
    long function =
        ReleaseFunction.of(argument -> {
          got.add(argument);
          if (argument < 0) {
            throw new IllegalStateException("argument=" + argument);
          }
        });
    ReleaseFunction.call(function, 7);
    List<String> uncaught = new ArrayList<>();
    Thread thread = new Thread(() -> ReleaseFunction.call(function, -1));
    thread.setUncaughtExceptionHandler((any, e) -> uncaught.add(e.getMessage()));
    thread.start();
    thread.join();
    assertThat(got).containsExactly(7L, -1L);
    assertThat(uncaught).containsExactly("argument=-1");
    assertThatThrownBy(() -> ReleaseFunction.call(0, 0)).hasMessageContaining("address=0x0");
  }

  @Test
  void copyChecksBounds() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment from = arena.allocate(100).fill((byte) 7);
      MemorySegment to = arena.allocate(99);
      LibC.copy(to, from, 99);
      assertThat(to.mismatch(from)).isEqualTo(99);
      assertThatThrownBy(() -> LibC.copy(to, from, 100))
          .isInstanceOf(IndexOutOfBoundsException.class)
          .hasMessageContaining("targetBytes=99");
    }
  }

  @Test
  void impossibleRangesAreRefused() {
    assertThatThrownBy(() -> RawMemory.view(0, 1)).hasMessageContaining("address=0x0");
    assertThatThrownBy(() -> RawMemory.view(64, -1)).hasMessageContaining("byteSize=-1");
    assertThatThrownBy(() -> RawMemory.view(-16, 32)).isInstanceOf(IllegalArgumentException.class);
    assertThat(RawMemory.view(0, 0).byteSize()).isZero();
  }

  @ParameterizedTest
  @EnumSource(GuardedMemory.Edge.class)
  void guardedMemoryAbutsAPageThatNobodyMayTouch(GuardedMemory.Edge edge) throws Exception {
    try (GuardedMemory memory = GuardedMemory.allocate(100, edge)) {
      memory.segment().fill((byte) 1);
      assertThat(memory.segment().get(JAVA_BYTE, 99)).isEqualTo((byte) 1);
      long first = memory.segment().address();
      long guard = edge == GuardedMemory.Edge.END ? first + 100 : first - 1;
      assertThat(protectionOf(guard)).isEqualTo("---p");
      assertThat(protectionOf(first)).isEqualTo("rw-p");
    }
  }

  @Test
  void closingTwiceIsFine() {
    GuardedMemory memory = GuardedMemory.allocate(1, GuardedMemory.Edge.START);
    memory.close();
    memory.close();
    assertThat(memory.segment().scope().isAlive()).isFalse();
  }

  private static String protectionOf(long address) throws Exception {
    for (String line : Files.readAllLines(Path.of("/proc/self/maps"))) {
      String[] parts = line.split("[- ]", 4);
      long start = Long.parseUnsignedLong(parts[0], 16);
      long end = Long.parseUnsignedLong(parts[1], 16);
      if (address >= start && address < end) {
        return line.split(" ", 3)[1];
      }
    }
    return "unmapped";
  }
}
