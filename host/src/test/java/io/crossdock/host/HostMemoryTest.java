package io.crossdock.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.core.CallTimer;
import io.crossdock.core.DType;
import io.crossdock.core.Device;
import io.crossdock.core.DeviceAllocator;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;

class HostMemoryTest {
  private static final HostMemory MEMORY = HostMemory.INSTANCE;
  private static final Tensor ON_GPU = Tensor.ofAddress(Device.cuda(0), 4096, DType.I32, 2, 3);

  private static Tensor counting(long... strides) {
    int[] values = new int[40];
    for (int i = 0; i < values.length; i++) {
      values[i] = 100 + i;
    }
    return Tensor.strided(
        MemorySegment.ofArray(values), DType.I32, new long[] {2, 3, 4}, strides.clone());
  }

  @Test
  void theHostNeedsNoWayThereOrBack() {
    Tensor tensor = counting(12, 4, 1);
    assertThat(MEMORY.device()).isEqualTo(Device.HOST);
    assertThat(MEMORY.toDevice(tensor)).isSameAs(tensor);
    assertThat(MEMORY.toHost(tensor)).isSameAs(tensor);
  }

  @Test
  void itsMemoryIsOpenToAnyThreadAndLivesOnItsOwn() {
    assertThat(DeviceAllocator.deviceOf(MEMORY.allocator())).isEqualTo(Device.HOST);
    MemorySegment first = MEMORY.allocator().allocate(100, 64);
    MemorySegment second = MEMORY.allocator().allocate(100, 64);
    assertThat(first.address() % 64).isZero();
    assertThat(first.isAccessibleBy(Thread.ofPlatform().unstarted(() -> {}))).isTrue();
    assertThat(first.scope()).isNotEqualTo(second.scope());
  }

  @Test
  void aCopyTakesEveryElementAndLeavesGapsAlone() {
    Tensor from = counting(20, 6, 1);
    Tensor to =
        Tensor.strided(
            MemorySegment.ofArray(new int[40]),
            DType.I32,
            new long[] {2, 3, 4},
            new long[] {18, 5, 1});
    MEMORY.copy(from, to);
    int written = 0;
    for (int i = 0; i < 40; i++) {
      written += to.segment().getAtIndex(ValueLayout.JAVA_INT_UNALIGNED, i) == 0 ? 0 : 1;
    }
    assertThat(written).isEqualTo(24);
    assertThat(at(to, 18 + 2 * 5 + 3)).isEqualTo(100 + 20 + 2 * 6 + 3);
    assertThat(at(to, 3)).isEqualTo(103);
  }

  private static int at(Tensor tensor, long element) {
    return tensor.segment().getAtIndex(ValueLayout.JAVA_INT_UNALIGNED, element);
  }

  @Test
  void rawAddressesAreCopiedToo() {
    MemorySegment native1 = Arena.ofAuto().allocate(12);
    Tensor from = Tensor.of(MemorySegment.ofArray(new int[] {7, 8, 9}), DType.I32, 3);
    MEMORY.copy(from, Tensor.ofAddress(native1.address(), DType.I32, 3));
    assertThat(native1.toArray(ValueLayout.JAVA_INT)).containsExactly(7, 8, 9);
  }

  @Test
  void emptyTensorsAreCopiedWithoutMemory() {
    Tensor nothing = Tensor.ofAddress(0, DType.I32, 0, 3);
    MEMORY.copy(nothing, nothing);
  }

  @Test
  void tensorsThatDifferAreRefused() {
    Tensor from = counting(12, 4, 1);
    Tensor flat = Tensor.of(from.segment(), DType.I32, 24);
    assertThatThrownBy(() -> MEMORY.copy(from, flat))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("tensors differ: from=Tensor[dtype=I32, shape=[2, 3, 4]");
    Tensor floats = Tensor.of(from.segment(), DType.F32, 2, 3, 4);
    assertThatThrownBy(() -> MEMORY.copy(from, floats)).isInstanceOf(InvalidInputException.class);
  }

  @Test
  void memoryOfAGpuIsRefused() {
    assertThatThrownBy(() -> MEMORY.toHost(ON_GPU))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("device=cuda:0, engineDevice=host");
    assertThatThrownBy(() -> MEMORY.toDevice(ON_GPU)).isInstanceOf(InvalidInputException.class);
    assertThatThrownBy(() -> MEMORY.copy(ON_GPU, ON_GPU))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageStartingWith("from lies on another device");
  }

  @Test
  void theTimerTellsWhatPassed() {
    try (CallTimer timer = new HostTimer()) {
      timer.start();
      LockSupport.parkNanos(2_000_000);
      long before = System.nanoTime();
      timer.stop();
      double first = timer.micros();
      assertThat(first).isPositive().isEqualTo(timer.micros());
      timer.start();
      timer.stop();
      assertThat(timer.micros()).isLessThan((System.nanoTime() - before) / 1e3);
    }
  }
}
