package io.crossdock.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class TensorTest {
  private static final MemorySegment HEAP = MemorySegment.ofArray(new byte[96]);

  @Test
  void aContiguousTensorKnowsItsSizes() {
    Tensor tensor = Tensor.of(HEAP, DType.F32, 2, 3, 4);
    assertThat(tensor.numDims()).isEqualTo(3);
    assertThat(tensor.shape()).containsExactly(2, 3, 4);
    assertThat(tensor.size(1)).isEqualTo(3);
    assertThat(tensor.stride(0)).isEqualTo(12);
    assertThat(tensor.stride(1)).isEqualTo(4);
    assertThat(tensor.stride(2)).isEqualTo(1);
    assertThat(tensor.numElements()).isEqualTo(24);
    assertThat(tensor.rowBytes()).isEqualTo(16);
    assertThat(tensor.pitchBytes()).isEqualTo(48);
    assertThat(tensor.spanBytes()).isEqualTo(96);
    assertThat(tensor.isContiguous()).isTrue();
    assertThat(tensor.isAddressOnly()).isFalse();
    assertThat(tensor.segment()).isEqualTo(HEAP);
    assertThat(tensor).hasToString("Tensor[dtype=F32, shape=[2, 3, 4], strides=[12, 4, 1]]");
  }

  @Test
  void aSliceOfColumnsIsAStridedTensor() {
    Tensor slice = Tensor.strided(HEAP, DType.BF16, new long[] {3, 4}, new long[] {16, 1});
    assertThat(slice.rowBytes()).isEqualTo(8);
    assertThat(slice.pitchBytes()).isEqualTo(32);
    assertThat(slice.spanBytes()).isEqualTo(2 * 32 + 8);
    assertThat(slice.isContiguous()).isFalse();
  }

  @Test
  void theLastRowNeedsNoPadding() {
    long[] shape = {3, 4};
    long[] strides = {20, 1};
    MemorySegment exact = MemorySegment.ofArray(new byte[88]);
    assertThat(Tensor.strided(exact, DType.BF16, shape, strides).spanBytes()).isEqualTo(88);
    MemorySegment short1 = exact.asSlice(0, 87);
    assertThatThrownBy(() -> Tensor.strided(short1, DType.BF16, shape, strides))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("neededBytes=88, segmentBytes=87")
        .hasMessageContaining("dtype=BF16, shape=[3, 4]");
  }

  @Test
  void shapesAndStridesAreCopied() {
    long[] shape = {2, 2};
    long[] strides = {4, 1};
    Tensor tensor = Tensor.strided(HEAP, DType.I32, shape, strides);
    shape[0] = 9;
    strides[0] = 9;
    tensor.shape()[0] = 9;
    assertThat(tensor.size(0)).isEqualTo(2);
    assertThat(tensor.stride(0)).isEqualTo(4);
  }

  @Test
  void anEmptyTensorNeedsNoMemory() {
    Tensor none = Tensor.of(MemorySegment.NULL, DType.I64, 0, 8);
    assertThat(none.numElements()).isZero();
    assertThat(none.spanBytes()).isZero();
    assertThat(none.rowBytes()).isEqualTo(64);
    assertThat(none.isContiguous()).isTrue();
    assertThat(none.isAddressOnly()).isFalse();
    assertThat(Tensor.ofAddress(0, DType.I64, 5, 0).spanBytes()).isZero();
  }

  /// Offsets of 524288 rows of 7168 BF16 lie beyond 2^31 and 2^32.
  @Test
  void sizesBeyondTwoToTheThirtyOneAreExact() {
    Tensor large = Tensor.ofAddress(4096, DType.BF16, 524_288, 7168);
    assertThat(large.numElements()).isEqualTo(3_758_096_384L);
    assertThat(large.spanBytes()).isEqualTo(7_516_192_768L);
    assertThat(large.pitchBytes()).isEqualTo(14_336);
    assertThat(large.isAddressOnly()).isTrue();
    assertThat(large.isContiguous()).isTrue();
    assertThat(large.segment().address()).isEqualTo(4096);
    assertThat(large.firstRows(524_287).spanBytes()).isEqualTo(7_516_178_432L);
    Tensor wide =
        Tensor.strided(
            MemorySegment.ofAddress(4096),
            DType.F32,
            new long[] {3, 8},
            new long[] {3_000_000_000L, 1});
    assertThat(wide.pitchBytes()).isEqualTo(12_000_000_000L);
    assertThat(wide.spanBytes()).isEqualTo(24_000_000_032L);
  }

  @Test
  void aSegmentTooSmallForALargeTensorIsRefused() {
    assertThatThrownBy(() -> Tensor.of(HEAP, DType.BF16, 524_288, 7168))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("neededBytes=7516192768");
    // The product wraps to 0 in 64 bits.
    assertThatThrownBy(() -> Tensor.of(HEAP, DType.I64, 1L << 32, 1L << 32))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("shape=[4294967296, 4294967296]");
    assertThatThrownBy(() -> Tensor.of(HEAP, DType.I64, 0, 1L << 61))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("too large");
    long[] shape = {3, 1};
    assertThatThrownBy(
            () -> Tensor.strided(HEAP, DType.I64, shape, new long[] {Long.MAX_VALUE / 2, 1}))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("strides are too large");
    assertThatThrownBy(() -> Tensor.allocate(Arena.ofAuto(), DType.F32, Long.MAX_VALUE, 2))
        .isInstanceOf(InvalidInputException.class);
  }

  @Test
  void shapesThatMakeNoSenseAreRefused() {
    assertThatThrownBy(() -> Tensor.of(HEAP, DType.U8, 2, -1))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("shape=[2, -1]");
    assertThatThrownBy(() -> Tensor.allocate(Arena.ofAuto(), DType.U8, -1))
        .isInstanceOf(InvalidInputException.class);
    assertThatThrownBy(() -> Tensor.of(HEAP, DType.U8))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("numDims=0");
    assertThatThrownBy(() -> Tensor.strided(HEAP, DType.U8, new long[] {1, 1}, new long[] {1}))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("numDims=2, numStrides=1");
    assertThatThrownBy(() -> Tensor.strided(HEAP, DType.U8, new long[] {2, 2}, new long[] {-2, 1}))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("strides=[-2, 1]");
    assertThatThrownBy(() -> Tensor.strided(HEAP, DType.U8, new long[] {2, 2}, new long[] {4, 2}))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("last dimension must be contiguous");
  }

  @Test
  void aNullAddressIsOnlyForAnEmptyTensor() {
    assertThatThrownBy(() -> Tensor.ofAddress(0, DType.U8, 1))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("null")
        .hasMessageContaining("shape=[1]");
  }

  @Test
  void firstRowsKeepStridesAndMemory() {
    Tensor tensor = Tensor.strided(HEAP, DType.U8, new long[] {3, 4}, new long[] {10, 1});
    Tensor two = tensor.firstRows(2);
    assertThat(two.shape()).containsExactly(2, 4);
    assertThat(two.stride(0)).isEqualTo(10);
    assertThat(two.spanBytes()).isEqualTo(14);
    assertThat(tensor.firstRows(3).spanBytes()).isEqualTo(tensor.spanBytes());
    assertThat(tensor.firstRows(0).numElements()).isZero();
    assertThatThrownBy(() -> tensor.firstRows(4))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("numRows=4");
    assertThatThrownBy(() -> tensor.firstRows(-1)).isInstanceOf(InvalidInputException.class);
  }

  @ParameterizedTest
  @EnumSource(DType.class)
  void allocatedMemoryIsAlignedAndLargeEnough(DType dtype) {
    try (Arena arena = Arena.ofConfined()) {
      arena.allocate(1, 1);
      Tensor tensor = Tensor.allocate(arena, dtype, 3, 5);
      assertThat(tensor.segment().address() % 64).isZero();
      assertThat(tensor.segment().byteSize()).isEqualTo(15L * dtype.bytes());
      assertThat(tensor.dtype()).isEqualTo(dtype);
    }
  }
}
