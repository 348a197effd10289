package io.crossdock.cuda;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.DType;
import io.crossdock.core.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicInteger;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;

class DlPackProperties {
  /// A tensor that went out and came back is the same view of the same bytes.
  @Property(tries = 300)
  void aRoundTripChangesNothing(
      @ForAll DType dtype,
      @ForAll @Size(min = 1, max = 5) List<@IntRange(max = 6) Integer> sizes,
      @ForAll @IntRange(max = 3) int padding,
      @ForAll boolean versioned) {
    long[] shape = new long[sizes.size()];
    long[] strides = new long[sizes.size()];
    long next = 1;
    for (int i = sizes.size() - 1; i >= 0; i--) {
      shape[i] = sizes.get(i);
      strides[i] = next;
      next = next * Math.max(1, shape[i]) + padding;
    }
    AtomicInteger released = new AtomicInteger();
    try (Arena arena = Arena.ofShared()) {
      MemorySegment memory = arena.allocate(next * dtype.bytes(), dtype.bytes());
      new SplittableRandom(next)
          .ints(memory.byteSize())
          .forEach(
              value -> memory.set(JAVA_BYTE, (value & 0xffff) % memory.byteSize(), (byte) value));
      Tensor tensor = Tensor.strided(memory, dtype, shape, strides);
      try (DlPackTensor owner = roundTrip(tensor, released, versioned)) {
        checkSame(owner.output(), tensor);
        assertThat(released).hasValue(0);
      }
    }
    assertThat(released).hasValue(1);
    assertThat(DlPackExport.numGiven()).isZero();
  }

  private static DlPackTensor roundTrip(Tensor tensor, AtomicInteger released, boolean versioned) {
    return versioned
        ? DlPack.takeVersioned(DlPack.giveVersioned(tensor, released::incrementAndGet))
        : DlPack.take(DlPack.give(tensor, released::incrementAndGet));
  }

  private static void checkSame(Tensor got, Tensor wanted) {
    assertThat(got.describe()).isEqualTo(wanted.describe());
    assertThat(got.spanBytes()).isEqualTo(wanted.spanBytes());
    for (int i = 0; i < wanted.numDims(); i++) {
      if (wanted.size(i) > 1) {
        assertThat(got.stride(i)).isEqualTo(wanted.stride(i));
      }
    }
    if (wanted.numElements() > 0) {
      long span = wanted.spanBytes();
      assertThat(got.segment().address()).isEqualTo(wanted.segment().address());
      assertThat(got.segment().mismatch(wanted.segment().asSlice(0, span))).isEqualTo(-1);
    }
  }
}
