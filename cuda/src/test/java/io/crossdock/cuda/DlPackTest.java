package io.crossdock.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.core.DType;
import io.crossdock.core.Device;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.Tensor;
import io.crossdock.ffi.NativeLibrary;
import io.crossdock.ffi.RawMemory;
import io.crossdock.ffi.ReleaseFunction;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class DlPackTest {
  private static final int FLOATS = 24;

  private final Arena arena = Arena.ofShared();
  private final MemorySegment data = arena.allocate(JAVA_FLOAT, FLOATS);

  @AfterEach
  void nothingIsLeft() {
    arena.close();
    assertThat(DlPackExport.numGiven()).isZero();
  }

  @Test
  void offsetsAreThoseOfC() {
    check(DlPackLayout.PLAIN, FakeProducer.PLAIN);
    check(DlPackLayout.VERSIONED, FakeProducer.VERSIONED);
    assertThat(DlPackLayout.VERSIONED.head().flags())
        .isEqualTo(FakeProducer.offset(FakeProducer.VERSIONED, "flags"));
    assertThat(DlPackLayout.VERSIONED.head().minor())
        .isEqualTo(FakeProducer.offset(FakeProducer.VERSIONED, "minor"));
    assertThat(DlPackLayout.PLAIN.isVersioned()).isFalse();
    assertThat(DlPackLayout.VERSIONED.isVersioned()).isTrue();
  }

  private static void check(DlPackLayout layout, StructLayout wanted) {
    assertThat(layout.byteSize()).isEqualTo(wanted.byteSize());
    DlPackLayout.Body body = layout.body();
    assertThat(
            List.of(
                body.data(),
                body.deviceType(),
                body.deviceId(),
                body.numDims(),
                body.code(),
                body.bits(),
                body.lanes(),
                body.shape(),
                body.strides(),
                body.byteOffset(),
                layout.head().context(),
                layout.head().deleter()))
        .isEqualTo(
            List.of(
                FakeProducer.offset(wanted, "data"),
                FakeProducer.offset(wanted, "device_type"),
                FakeProducer.offset(wanted, "device_id"),
                FakeProducer.offset(wanted, "ndim"),
                FakeProducer.offset(wanted, "code"),
                FakeProducer.offset(wanted, "bits"),
                FakeProducer.offset(wanted, "lanes"),
                FakeProducer.offset(wanted, "shape"),
                FakeProducer.offset(wanted, "strides"),
                FakeProducer.offset(wanted, "byte_offset"),
                FakeProducer.offset(wanted, "manager_ctx"),
                FakeProducer.offset(wanted, "deleter")));
  }

  @Test
  void aTakenTensorIsTheProducersMemoryAndIsGivenBackOnce() {
    data.setAtIndex(JAVA_FLOAT, 5, 2.5f);
    FakeProducer made = floats(6, 4);
    DlPackTensor owner = DlPack.take(made.address());
    Tensor tensor = owner.output();
    assertThat(tensor.segment().address()).isEqualTo(data.address());
    assertThat(tensor.segment().byteSize()).isEqualTo(data.byteSize());
    assertThat(tensor.segment().getAtIndex(JAVA_FLOAT, 5)).isEqualTo(2.5f);
    assertThat(tensor.device()).isEqualTo(Device.HOST);
    assertThat(tensor.shape()).containsExactly(6, 4);
    assertThat(tensor.isContiguous()).isTrue();
    assertThat(FakeProducer.numDeleted()).isZero();
    owner.close();
    owner.close();
    assertThat(FakeProducer.numDeleted()).isEqualTo(1);
    assertThatThrownBy(owner::tensor)
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("was given back: Tensor[dtype=F32, shape=[6, 4]");
    assertThatThrownBy(() -> tensor.segment().get(JAVA_FLOAT, 0))
        .isInstanceOf(IllegalStateException.class);
  }

  @Test
  void stridesAndByteOffsetAreHonoured() {
    FakeProducer made = floats(3, 4).strides(8, 1).body("byte_offset", 16);
    try (DlPackTensor owner = DlPack.take(made.address())) {
      Tensor tensor = owner.tensor();
      assertThat(tensor.segment().address()).isEqualTo(data.address() + 16);
      assertThat(tensor.stride(0)).isEqualTo(8);
      assertThat(tensor.segment().byteSize()).isEqualTo((2 * 8 + 4) * 4);
    }
  }

  /// Libraries write anything as the stride of a dimension of size 1.
  @Test
  void stridesWithoutNeighboursMeanNothing() {
    FakeProducer made = floats(1, 4, 1).strides(-7, 1, 9);
    try (DlPackTensor owner = DlPack.take(made.address())) {
      assertThat(owner.tensor().isContiguous()).isTrue();
    }
    FakeProducer column = floats(3, 1).strides(8, 8);
    try (DlPackTensor owner = DlPack.take(column.address())) {
      assertThat(owner.tensor().stride(0)).isEqualTo(8);
      assertThat(owner.tensor().stride(1)).isEqualTo(1);
    }
  }

  @Test
  void anEmptyTensorNeedsNoData() {
    FakeProducer made = floats(0, 4).body("data", 0);
    try (DlPackTensor owner = DlPack.take(made.address())) {
      assertThat(owner.tensor().numElements()).isZero();
    }
  }

  @Test
  void aTensorOfAGpuIsAnAddress() {
    FakeProducer made = floats(6, 4).set("device_type", 2).set("device_id", 3);
    try (DlPackTensor owner = DlPack.take(made.address())) {
      assertThat(owner.tensor().device()).isEqualTo(Device.cuda(3));
      assertThat(owner.tensor().segment().address()).isEqualTo(data.address());
      assertThat(owner.tensor().isAddressOnly()).isTrue();
    }
    assertThat(FakeProducer.numDeleted()).isEqualTo(1);
  }

  @ParameterizedTest
  @CsvSource({"3, host", "13, cuda:0"})
  void memoryOfTheHostThatCudaKnows(int type, String device) {
    try (DlPackTensor owner = DlPack.take(floats(6, 4).set("device_type", type).address())) {
      assertThat(owner.tensor().device()).hasToString(device);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "4, 16, BF16",
    "2, 16, FP16",
    "2, 32, F32",
    "10, 8, FP8_E4M3",
    "1, 8, U8",
    "6, 8, U8",
    "0, 32, I32",
    "0, 64, I64"
  })
  void elementTypes(int code, int bits, DType dtype) {
    try (DlPackTensor owner = DlPack.take(floats(2, 4).type(code, bits, 1).address())) {
      assertThat(owner.tensor().dtype()).isEqualTo(dtype);
    }
  }

  @Test
  void aTensorThatIsRefusedIsGivenBack() {
    refused(p -> p.type(2, 32, 4), "element type is not supported: code=2, bits=32, lanes=4");
    refused(p -> p.type(2, 64, 1), "element type is not supported: code=2, bits=64, lanes=1");
    refused(p -> p.type(8, 8, 1), "element type is not supported: code=8, bits=8, lanes=1");
    refused(p -> p.set("device_type", 10), "device is not supported: deviceType=10, deviceId=0");
    refused(p -> p.set("device_type", 2).set("device_id", -1), "index is out of range: kind=CUDA");
    refused(p -> p.shape(), "shape of 1 to 64 dimensions: numDims=0");
    refused(p -> p.set("ndim", -1), "numDims=-1");
    refused(p -> p.body("shape", 0), "numDims=2, shapeAddress=0x0");
    refused(p -> p.shape(2, -1), "size is negative or too large: dtype=F32, shape=[2, -1]");
    refused(p -> p.shape(1L << 40, 1L << 40), "size is negative or too large");
    refused(p -> p.strides(-4, 1), "strides must not be negative");
    refused(p -> p.strides(1, 6), "last dimension must be contiguous");
    refused(p -> p.strides(1L << 62, 1), "strides are too large");
    refused(p -> p.body("data", 0), "has no data, or not at a multiple of its element size");
    refused(p -> p.body("byte_offset", 2), "has no data, or not at a multiple");
    refused(p -> p.body("byte_offset", -1), "byte offset is too large: data=0x");
  }

  private void refused(Consumer<FakeProducer> change, String text) {
    FakeProducer made = floats(6, 4);
    change.accept(made);
    assertThatThrownBy(() -> DlPack.take(made.address()))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining(text);
    assertThat(FakeProducer.numDeleted()).as(text).isEqualTo(1);
  }

  @ParameterizedTest
  @ValueSource(longs = {0, 12})
  void whereNoStructCanLie(long address) {
    assertThatThrownBy(() -> DlPack.take(address))
        .isInstanceOf(InvalidInputException.class)
        .hasMessage("no DLPack tensor lies there: address=0x" + Long.toHexString(address));
  }

  @Test
  void aTensorWithoutDeleterNeedsNone() {
    DlPack.take(floats(6, 4).head("deleter", 0).address()).close();
    assertThat(FakeProducer.numDeleted()).isZero();
  }

  @Test
  void onlyMajorVersionOneIsRead() {
    FakeProducer made = versioned().set("major", 2).body("shape", 1);
    assertThatThrownBy(() -> DlPack.takeVersioned(made.address()))
        .hasMessage("DLPack version is not supported: major=2, supportedMajor=1");
    assertThat(FakeProducer.numDeleted()).isEqualTo(1);
    DlPack.takeVersioned(versioned().set("minor", 99).address()).close();
    assertThat(FakeProducer.numDeleted()).isEqualTo(1);
  }

  @Test
  void aReadOnlyTensorIsNoOutput() {
    try (DlPackTensor owner = DlPack.takeVersioned(versioned().head("flags", 1).address())) {
      assertThat(owner.isReadOnly()).isTrue();
      assertThat(owner.tensor().segment().isReadOnly()).isTrue();
      assertThatThrownBy(owner::output)
          .isInstanceOf(InvalidInputException.class)
          .hasMessageContaining("may only be read");
    }
    try (DlPackTensor owner = DlPack.takeVersioned(versioned().head("flags", 6).address())) {
      assertThat(owner.isReadOnly()).isFalse();
      assertThat(owner.output()).isSameAs(owner.tensor());
    }
  }

  /// What a consumer finds, read with the layouts of the JDK.
  @Test
  void aGivenTensorIsWhatTheSpecificationSays() {
    AtomicInteger released = new AtomicInteger();
    Tensor tensor = Tensor.strided(data, DType.F32, new long[] {3, 4}, new long[] {8, 1});
    long address = DlPack.giveVersioned(tensor, released::incrementAndGet);
    StructLayout layout = FakeProducer.VERSIONED;
    MemorySegment struct = RawMemory.view(address, layout.byteSize());
    assertThat(struct.get(JAVA_INT, FakeProducer.offset(layout, "major"))).isEqualTo(1);
    assertThat(struct.get(JAVA_INT, FakeProducer.offset(layout, "ndim"))).isEqualTo(2);
    assertThat(struct.get(JAVA_INT, FakeProducer.offset(layout, "device_type"))).isEqualTo(1);
    assertThat(struct.get(JAVA_INT, FakeProducer.offset(layout, "code")))
        .as("code, bits, lanes")
        .isEqualTo(2 | 32 << 8 | 1 << 16);
    assertThat(word(struct, layout, "data")).isEqualTo(data.address());
    assertThat(word(struct, layout, "flags")).isZero();
    long strides = word(struct, layout, "strides");
    assertThat(RawMemory.view(strides, 16).toArray(JAVA_LONG)).containsExactly(8, 1);
    assertThat(DlPackExport.numGiven()).isEqualTo(1);
    ReleaseFunction.call(word(struct, layout, "deleter"), address);
    assertThat(released).hasValue(1);
  }

  private static long word(MemorySegment struct, StructLayout layout, String field) {
    return struct.get(JAVA_LONG, FakeProducer.offset(layout, field));
  }

  @Test
  void aSecondCallOfTheDeleterDoesNothing() {
    AtomicInteger released = new AtomicInteger();
    Tensor tensor = Tensor.of(data, DType.F32, 6, 4);
    long address = DlPack.give(tensor, released::incrementAndGet);
    MemorySegment struct = RawMemory.view(address, FakeProducer.PLAIN.byteSize());
    long deleter = word(struct, FakeProducer.PLAIN, "deleter");
    ReleaseFunction.call(deleter, address);
    ReleaseFunction.call(deleter, address);
    assertThat(released).hasValue(1);
  }

  /// The deleter is of the form of a thread's start routine, but for the answer that nobody reads.
  @Test
  void aThreadThatJavaDoesNotKnowMayCallTheDeleter() throws Throwable {
    AtomicReference<Thread> released = new AtomicReference<>();
    Tensor tensor = Tensor.of(data, DType.F32, 6, 4);
    long address = DlPack.give(tensor, () -> released.set(Thread.currentThread()));
    MemorySegment struct = RawMemory.view(address, FakeProducer.PLAIN.byteSize());
    long deleter = word(struct, FakeProducer.PLAIN, "deleter");
    NativeLibrary library = NativeLibrary.standard();
    FunctionDescriptor four =
        FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG);
    FunctionDescriptor two = FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG);
    MemorySegment thread = arena.allocate(JAVA_LONG);
    int created =
        (int) library.bind("pthread_create", four).invokeExact(thread, 0L, deleter, address);
    assertThat(created).isZero();
    int joined = (int) library.bind("pthread_join", two).invokeExact(thread.get(JAVA_LONG, 0), 0L);
    assertThat(joined).isZero();
    assertThat(released.get()).isNotNull().isNotSameAs(Thread.currentThread());
  }

  @Test
  void whatOnReleaseThrowsIsForTheHandlerOfTheThread() throws InterruptedException {
    AtomicReference<Throwable> caught = new AtomicReference<>();
    long address =
        DlPack.give(
            Tensor.of(data, DType.F32, 6, 4),
            () -> {
              throw new IllegalStateException("from onRelease");
            });
    Thread consumer = new Thread(() -> DlPack.take(address).close());
    consumer.setUncaughtExceptionHandler((thread, e) -> caught.set(e));
    consumer.start();
    consumer.join();
    assertThat(caught.get()).hasMessage("from onRelease");
  }

  @Test
  void whatCannotBeGiven() {
    Tensor heap = Tensor.of(MemorySegment.ofArray(new float[24]), DType.F32, 6, 4);
    assertThatThrownBy(() -> DlPack.give(heap, () -> {}))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("tensor of the Java heap cannot be given: Tensor[dtype=F32");
    Tensor readOnly = Tensor.of(data.asReadOnly(), DType.F32, 6, 4);
    assertThatThrownBy(() -> DlPack.give(readOnly, () -> {}))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("remedy=giveVersioned");
    try (DlPackTensor owner = DlPack.takeVersioned(DlPack.giveVersioned(readOnly, () -> {}))) {
      assertThat(owner.isReadOnly()).isTrue();
    }
  }

  @ParameterizedTest
  @EnumSource
  void aTensorOfAGpuKeepsDeviceAndType(DType dtype) {
    Tensor tensor = Tensor.ofAddress(Device.cuda(5), 0x7f00_0000_0000L, dtype, 3, 128);
    try (DlPackTensor owner = DlPack.take(DlPack.give(tensor, () -> {}))) {
      assertThat(owner.tensor()).hasToString(tensor.toString());
      assertThat(owner.tensor().segment().address()).isEqualTo(0x7f00_0000_0000L);
    }
  }

  @Test
  void manyThreadsGiveAndTake() throws InterruptedException {
    int numThreads = 4;
    int rounds = 500;
    AtomicInteger released = new AtomicInteger();
    CountDownLatch start = new CountDownLatch(1);
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < numThreads; i++) {
      threads.add(
          Thread.ofPlatform()
              .start(() -> {
                await(start);
                for (int round = 0; round < rounds; round++) {
                  giveAndTake(released);
                }
              }));
    }
    start.countDown();
    for (Thread thread : threads) {
      thread.join();
    }
    assertThat(released).hasValue(numThreads * rounds);
  }

  private void giveAndTake(AtomicInteger released) {
    Tensor tensor = Tensor.of(data, DType.F32, 6, 4);
    DlPack.take(DlPack.give(tensor, released::incrementAndGet)).close();
  }

  private static void await(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  private FakeProducer floats(long... shape) {
    return FakeProducer.floats(arena, FakeProducer.PLAIN, data, shape);
  }

  private FakeProducer versioned() {
    return FakeProducer.floats(arena, FakeProducer.VERSIONED, data, 6, 4);
  }
}
