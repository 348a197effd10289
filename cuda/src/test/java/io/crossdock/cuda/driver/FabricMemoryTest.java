package io.crossdock.cuda.driver;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.ffi.NativeCallException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Memory that is created, named and mapped in steps.
@Tag("gpu")
@Timeout(60)
class FabricMemoryTest {
  private static final Duration BOUND = Duration.ofSeconds(10);

  /// No whole number of pages.
  private static final long BYTES = (5L << 20) + 12_345;

  private static Context context;

  private final Map<Owned, Integer> before = new EnumMap<>(Owned.class);

  @BeforeAll
  static void needsAGpu() {
    List<String> reasons = CudaProbe.probe().reasons();
    Assumptions.assumeTrue(reasons.isEmpty(), () -> "no GPU: " + String.join(", ", reasons));
    context = Context.retain(Gpu.of(0));
  }

  @BeforeEach
  void countWhatLives() {
    for (Owned kind : Owned.values()) {
      before.put(kind, kind.live());
    }
  }

  @AfterEach
  void nothingIsLeft() {
    for (Owned kind : Owned.values()) {
      assertThat(kind.live()).as(kind.toString()).isEqualTo(before.get(kind));
    }
  }

  /// All but the handle itself, which few machines can make.
  @Test
  void mappedMemoryIsLikeAnyOther() {
    FabricMemory memory = FabricMemory.map(PhysicalMemory.create(context, BYTES, HandleType.NONE));
    try (memory) {
      long granule = PhysicalMemory.granule(context, HandleType.NONE);
      assertThat(memory.byteSize()).isBetween(BYTES, BYTES + granule - 1);
      assertThat(memory.byteSize() % granule).isZero();
      assertThat(memory.address() % granule).isZero();
      assertThat(PointerInfo.of(memory.address() + BYTES).kind())
          .isEqualTo(PointerInfo.Kind.DEVICE);
      assertThat(PointerInfo.of(memory.address()).ordinal()).isZero();
      memory.allow(context.gpu());
      fill(memory.address(), memory.byteSize(), (byte) 0x5a);
      assertHolds(memory.address(), memory.byteSize(), (byte) 0x5a);
    }
    memory.close();
    assertThatThrownBy(memory::address).hasMessageContaining("address range is closed");
  }

  @Test
  void memoryWithoutAHandleCannotBeNamed() {
    try (PhysicalMemory memory = PhysicalMemory.create(context, 1, HandleType.NONE)) {
      assertThatThrownBy(memory::export)
          .isInstanceOf(NativeCallException.class)
          .hasMessageContaining("symbol=cuMemExportToShareableHandle");
    }
  }

  /// One of the two tests that follow runs, and the other says why not.
  @Test
  void withoutFabricTheReasonIsTheDriversOwn() {
    Optional<String> missing = FabricProbe.missing(context);
    Assumptions.assumeTrue(missing.isPresent(), "there are fabric handles");
    if (context.gpu().supportsFabricHandles()) {
      assertThat(missing.orElseThrow()).matches("cuMem\\w+: CUDA_ERROR_\\w+(: no IMEX channel)?");
      assertThatThrownBy(() -> FabricMemory.allocate(context, BYTES))
          .isInstanceOf(NativeCallException.class);
    }
  }

  @Test
  void memoryIsTheSameUnderItsFabricHandle() {
    Optional<String> missing = FabricProbe.missing(context);
    Assumptions.assumeTrue(missing.isEmpty(), () -> "no fabric handles: " + missing.orElseThrow());
    FabricMemory opened;
    try (FabricMemory memory = FabricMemory.allocate(context, BYTES)) {
      fill(memory.address(), memory.byteSize(), (byte) 1);
      FabricHandle sent = FabricHandle.of(memory.export().bytes());
      opened = FabricMemory.open(context, sent, memory.byteSize());
      try {
        assertThat(opened.address()).isNotEqualTo(memory.address());
        assertHolds(opened.address(), BYTES, (byte) 1);
        fill(opened.address(), BYTES, (byte) 2);
        assertHolds(memory.address(), BYTES, (byte) 2);
        assertHolds(memory.address() + BYTES, memory.byteSize() - BYTES, (byte) 1);
      } catch (RuntimeException | Error e) {
        opened.close();
        throw e;
      }
    }
    try (opened) {
      assertHolds(opened.address(), BYTES, (byte) 2);
    }
  }

  private static void fill(long address, long byteSize, byte value) {
    try (Stream stream = Stream.create(context, Stream.Use.SERVICE)) {
      stream.memset8(address, value, byteSize);
      stream.synchronize(BOUND);
    }
  }

  private static void assertHolds(long address, long byteSize, byte value) {
    try (Arena arena = Arena.ofConfined();
        Stream stream = Stream.create(context, Stream.Use.SERVICE)) {
      MemorySegment got = arena.allocate(byteSize);
      stream.deviceToHost(got.address(), address, byteSize);
      stream.synchronize(BOUND);
      MemorySegment wanted = arena.allocate(byteSize).fill(value);
      assertThat(got.mismatch(wanted)).as("first byte that is not %d", value).isEqualTo(-1);
      assertThat(got.get(JAVA_BYTE, 0)).isEqualTo(value);
    }
  }
}
