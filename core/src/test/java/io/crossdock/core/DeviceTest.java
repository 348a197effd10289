package io.crossdock.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;

class DeviceTest {
  private static final Device GPU = Device.cuda(1);
  private static final long ADDRESS = 0x7f00_0000_1000L;

  /// Hands out addresses that nobody may touch.
  private static final class FakeGpu implements DeviceAllocator {
    @Override
    public Device device() {
      return GPU;
    }

    @Override
    public MemorySegment allocate(long bytes, long alignment) {
      return MemorySegment.ofAddress(ADDRESS);
    }
  }

  @Test
  void devicesHaveShortNames() {
    assertThat(Device.HOST).hasToString("host");
    assertThat(Device.cuda(0)).hasToString("cuda:0").isNotEqualTo(Device.HOST);
    assertThat(GPU).hasToString("cuda:1").isEqualTo(Device.cuda(1));
  }

  @Test
  void anIndexThatDoesNotExistIsRefused() {
    assertThatThrownBy(() -> Device.cuda(-1))
        .isInstanceOf(InvalidInputException.class)
        .hasMessage("device index is out of range: kind=CUDA, index=-1");
    assertThatThrownBy(() -> new Device(Device.Kind.HOST, 1))
        .isInstanceOf(InvalidInputException.class);
    assertThatNullPointerException().isThrownBy(() -> new Device(null, 0));
  }

  @Test
  void tensorsLieOnTheHostUnlessTheySayOtherwise() {
    MemorySegment bytes = MemorySegment.ofArray(new byte[16]);
    assertThat(Tensor.of(bytes, DType.F32, 4).device()).isEqualTo(Device.HOST);
    assertThat(Tensor.ofAddress(ADDRESS, DType.F32, 4).device()).isEqualTo(Device.HOST);
    assertThat(Tensor.allocate(Arena.ofAuto(), DType.F32, 4).device()).isEqualTo(Device.HOST);
    assertThat(DeviceAllocator.deviceOf(Arena.ofAuto())).isEqualTo(Device.HOST);
  }

  @Test
  void anAllocatorOfADeviceMakesTensorsThere() {
    SegmentAllocator gpu = new FakeGpu();
    Tensor tensor = Tensor.allocate(gpu, DType.BF16, 3, 8);
    assertThat(DeviceAllocator.deviceOf(gpu)).isEqualTo(GPU);
    assertThat(tensor.device()).isEqualTo(GPU);
    assertThat(tensor.firstRows(2).device()).isEqualTo(GPU);
    assertThat(tensor.segment().address()).isEqualTo(ADDRESS);
    assertThat(tensor.isAddressOnly()).isTrue();
    assertThat(tensor)
        .hasToString("Tensor[dtype=BF16, shape=[3, 8], strides=[8, 1], device=cuda:1]");
  }

  @Test
  void touchingATensorOfADeviceThrows() {
    Tensor tensor = Tensor.ofAddress(GPU, ADDRESS, DType.I32, 4);
    assertThatThrownBy(() -> tensor.segment().get(ValueLayout.JAVA_INT, 0))
        .isInstanceOf(IndexOutOfBoundsException.class);
  }

  @Test
  void theLengthOfMemoryOnADeviceIsCheckedAndDropped() {
    MemorySegment memory = Arena.ofAuto().allocate(88);
    long[] shape = {3, 4};
    long[] strides = {20, 1};
    Tensor tensor = Tensor.strided(GPU, memory, DType.BF16, shape, strides);
    assertThat(tensor.segment().byteSize()).isZero();
    assertThat(tensor.segment().address()).isEqualTo(memory.address());
    assertThat(tensor.segment().scope()).isEqualTo(memory.scope());
    assertThat(tensor.pitchBytes()).isEqualTo(40);
    assertThatThrownBy(() -> Tensor.of(GPU, memory, DType.BF16, 45))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("neededBytes=90, segmentBytes=88");
  }

  @Test
  void heapMemoryLiesOnNoDevice() {
    MemorySegment heap = MemorySegment.ofArray(new byte[16]);
    assertThatThrownBy(() -> Tensor.of(GPU, heap, DType.F32, 4))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("needs native memory: device=cuda:1");
  }

  @Test
  void aNullAddressOfADeviceIsRefused() {
    assertThatThrownBy(() -> Tensor.ofAddress(GPU, 0, DType.F32, 4))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("tensor address is null");
    assertThat(Tensor.ofAddress(GPU, 0, DType.F32, 0, 4).numElements()).isZero();
  }

  @Test
  void aTensorElsewhereIsNamedWithTheRemedy() {
    Tensor tensor = Tensor.ofAddress(GPU, ADDRESS, DType.F32, 4);
    tensor.checkDevice(Device.cuda(1), "x");
    assertThatThrownBy(() -> tensor.checkDevice(Device.HOST, "x"))
        .isInstanceOf(InvalidInputException.class)
        .hasMessage(
            "x lies on another device: device=cuda:1, engineDevice=host,"
                + " remedy=EpBuffer.memory().toDevice");
  }
}
