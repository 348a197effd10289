package io.crossdock.cuda.driver;

import static io.crossdock.cuda.driver.GpuWait.Interrupt.HEEDED;
import static io.crossdock.cuda.driver.GpuWait.Interrupt.LEFT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.crossdock.core.spi.Availability;
import io.crossdock.ffi.NativeCallException;
import io.crossdock.ffi.NativeLibrary;
import java.lang.foreign.Arena;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/// What the bindings do without a GPU.
class DriverTest {
  private static final NativeLibrary NONE = NativeLibrary.probe("libnone-such.so.9");

  @Test
  void theProbeNeverThrowsAndSaysWhyNot() {
    Availability found = CudaProbe.probe();
    assertThat(found.description()).isNotBlank();
    if (Driver.startCode() != 0) {
      assertThat(found.isAvailable()).isFalse();
      assertThat(String.join("\n", found.reasons())).containsPattern("libcuda|driver");
    }
  }

  @Test
  void aMissingLibraryIsToldInTheLoadersWords() {
    assumeTrue(Driver.startCode() == Symbol.MISSING, "libcuda.so.1 is there");
    assertThat(CudaProbe.probe().reasons())
        .anySatisfy(reason ->
            assertThat(reason)
                .contains("name=libcuda.so.1")
                .contains("cannot open shared object file"));
    assertThatThrownBy(Gpu::count)
        .isInstanceOf(NativeCallException.class)
        .hasMessageContaining("library=libcuda.so.1, symbol=cuInit, code=-1")
        .hasMessageContaining("cannot open shared object file");
    assertThatThrownBy(() -> Gpu.of(0)).isInstanceOf(NativeCallException.class);
    assertThatThrownBy(Context::current).isInstanceOf(NativeCallException.class);
  }

  @Test
  void plainMemoryIsNoCudaMemory() {
    try (Arena arena = Arena.ofConfined()) {
      PointerInfo info = PointerInfo.of(arena.allocate(64).address());
      assertThat(info).isEqualTo(new PointerInfo(PointerInfo.Kind.NOT_CUDA, -1, 0, 0));
    }
  }

  /// Every shape has a method that fits: a wrong one would be an AssertionError.
  @Test
  void everyShapeCanBeCalled() {
    long a = 1;
    byte b = 2;
    try (Arena arena = Arena.ofConfined()) {
      List<Integer> codes =
          List.of(
              shape("I").call(1),
              shape("L").call(a),
              shape("IL").call(1, a),
              shape("LI").call(a, 1),
              shape("LL").call(a, a),
              shape("LII").call(a, 1, 1),
              shape("LIL").call(a, 1, a),
              shape("LLI").call(a, a, 1),
              shape("LLL").call(a, a, a),
              shape("LHI").call(a, arena.allocate(SharedHandle.BYTES), 1),
              shape("LLIL").call(a, a, 1, a),
              shape("LBLL").call(a, b, a, a),
              shape("LILL").call(a, 1, a, a),
              shape("LLLL").call(a, a, a, a),
              shape("LLLLL").call(a, a, a, a, a),
              shape("LLILL").call(a, a, 1, a, a),
              shape("LIIIIIIILLL").launch(a, new LaunchShape(1, 1, 0), a, a));
      assertThat(codes).containsOnly(Symbol.MISSING);
    }
    assertThat(Driver.all()).extracting(Symbol::name).doesNotHaveDuplicates();
  }

  private static Symbol shape(String letters) {
    return Symbol.bind(NONE, "none", letters);
  }

  @Test
  void handlesCloseOnceAndAreCounted() {
    int before = Owned.MODULE.live();
    Handle handle = new Handle(Owned.MODULE, 0x10);
    assertThat(Owned.MODULE.live()).isEqualTo(before + 1);
    assertThat(handle.value()).isEqualTo(0x10);
    assertThat(handle.close()).isTrue();
    assertThat(handle.close()).isFalse();
    assertThat(Owned.MODULE.live()).isEqualTo(before);
    assertThat(handle.closedValue()).isEqualTo(0x10);
    assertThatThrownBy(handle::value)
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("module is closed: handle=0x10");
  }

  private static void await(
      GpuWait.Progress progress, Duration timeout, GpuWait.Interrupt interrupt) {
    GpuWait.await("event", 1, progress, timeout, interrupt);
  }

  @Test
  void waitsAreBounded() {
    await(() -> true, Duration.ZERO, HEEDED);
    assertThatThrownBy(() -> await(() -> false, Duration.ofMillis(5), HEEDED))
        .isInstanceOf(GpuTimeoutException.class)
        .hasMessageContaining("waitingFor=event, handle=0x1, waitedMs=");
    Thread.currentThread().interrupt();
    assertThatThrownBy(() -> await(() -> false, Duration.ofDays(1), HEEDED))
        .hasMessageContaining("interrupted");
    assertThat(Thread.interrupted()).isTrue();
  }

  @Test
  void aWaitForMemoryGoesOnWhileTheThreadIsInterrupted() {
    AtomicInteger looks = new AtomicInteger(5_000);
    Thread.currentThread().interrupt();
    await(() -> looks.decrementAndGet() == 0, Duration.ofMinutes(1), LEFT);
    assertThat(Thread.interrupted()).isTrue();
    Thread.currentThread().interrupt();
    assertThatThrownBy(() -> await(() -> false, Duration.ofMillis(5), LEFT))
        .hasMessageContaining("GPU did not finish in time");
    assertThat(Thread.interrupted()).isTrue();
  }

  @Test
  void releasesAndCapabilitiesAreOrdered() {
    assertThat(CudaRelease.ofDriver(13020))
        .isEqualTo(CudaRelease.parse("13.2"))
        .hasToString("13.2");
    assertThat(CudaRelease.ofDriver(12090)).isLessThan(new CudaRelease(13, 0));
    assertThat(CudaRelease.ofDriver(11080)).isLessThan(CudaProbe.OLDEST_DRIVER);
    assertThat(new ComputeCapability(8, 9)).isLessThan(CudaProbe.OLDEST_GPU).hasToString("8.9");
    assertThat(new ComputeCapability(10, 0)).isGreaterThan(CudaProbe.OLDEST_GPU);
  }

  @Test
  void ipcHandlesAreSixtyFourBytes() {
    byte[] bytes = new byte[SharedHandle.BYTES];
    bytes[63] = 7;
    IpcHandle handle = IpcHandle.of(bytes);
    assertThat(IpcHandle.of(handle.bytes())).isEqualTo(handle).hasSameHashCodeAs(handle);
    assertThat(handle.toString()).hasSize(128).endsWith("07");
    assertThatThrownBy(() -> IpcHandle.of(new byte[3])).hasMessageContaining("byteSize=3");
  }

  @Test
  void fabricHandlesAreNoIpcHandles() {
    byte[] bytes = new byte[SharedHandle.BYTES];
    bytes[0] = -1;
    FabricHandle handle = FabricHandle.of(bytes);
    assertThat(FabricHandle.of(handle.bytes())).isEqualTo(handle).hasToString(handle.toString());
    assertThat(handle).isNotEqualTo(IpcHandle.of(bytes));
    assertThat(handle.toString()).startsWith("ff00");
    assertThatThrownBy(() -> FabricHandle.of(new byte[65]))
        .hasMessage("not a handle of shared memory: byteSize=65, expected=64");
  }

  @Test
  void whyFabricIsMissingNamesCallAndCode() {
    NativeCallException denied =
        new NativeCallException(Driver.SONAME, "cuMemCreate", Driver.NOT_PERMITTED, "");
    assertThat(FabricProbe.reason(denied))
        .startsWith("cuMemCreate: ")
        .endsWith(": no IMEX channel");
    NativeCallException exhausted = new NativeCallException(Driver.SONAME, "cuMemCreate", 2, "");
    assertThat(FabricProbe.reason(exhausted)).doesNotContain("IMEX");
  }

  @Test
  void launchesNeedBlocksAndThreads() {
    assertThatThrownBy(() -> new LaunchShape(0, 32, 0)).hasMessageContaining("numBlocks=0");
    assertThatThrownBy(() -> new LaunchShape(1, 0, 0)).hasMessageContaining("numThreads=0");
    assertThatThrownBy(() -> new LaunchShape(1, 1, -1))
        .hasMessageContaining("dynamicSharedBytes=-1");
  }
}
