package io.crossdock.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.core.DType;
import io.crossdock.core.Device;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.Tensor;
import io.crossdock.cuda.driver.PointerInfo;
import io.crossdock.cuda.driver.PointerInfo.Kind;
import java.lang.foreign.Arena;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.LongFunction;
import org.junit.jupiter.api.Test;

class CudaTensorsTest {
  private static final long BASE = 0x7f12_0000_0000L;
  private static final long PIECE = 2L << 20;
  private static final PointerInfo UNKNOWN = new PointerInfo(Kind.NOT_CUDA, -1, 0, 0);

  /// Two pieces in a row on GPU 2, then one of GPU 3.
  private static final LongFunction<PointerInfo> DRIVER =
      driver(
          new PointerInfo(Kind.DEVICE, 2, BASE, PIECE),
          new PointerInfo(Kind.DEVICE, 2, BASE + PIECE, PIECE),
          new PointerInfo(Kind.DEVICE, 3, BASE + 2 * PIECE, PIECE));

  private static LongFunction<PointerInfo> driver(PointerInfo... pieces) {
    TreeMap<Long, PointerInfo> known = new TreeMap<>();
    for (PointerInfo piece : pieces) {
      known.put(piece.rangeStart(), piece);
    }
    return address -> {
      Map.Entry<Long, PointerInfo> below = known.floorEntry(address);
      boolean inside = below != null && address - below.getKey() < below.getValue().rangeBytes();
      return inside ? below.getValue() : UNKNOWN;
    };
  }

  private static Tensor locate(long address, LongFunction<PointerInfo> driver, long numBytes) {
    return CudaTensors.locate(address, Tensor.ofAddress(address, DType.U8, numBytes), driver);
  }

  @Test
  void aTensorLiesWhereTheDriverSays() {
    Tensor tensor = locate(BASE + 5, DRIVER, PIECE - 5);
    assertThat(tensor.device()).isEqualTo(Device.cuda(2));
    assertThat(tensor.segment().address()).isEqualTo(BASE + 5);
    assertThat(tensor.isAddressOnly()).isTrue();
    assertThat(locate(BASE + 2 * PIECE, DRIVER, 1).device()).isEqualTo(Device.cuda(3));
  }

  @Test
  void piecesInARowAreOneRange() {
    assertThat(locate(BASE + PIECE - 1, DRIVER, PIECE + 1).device()).isEqualTo(Device.cuda(2));
  }

  @Test
  void whatDoesNotFitIsRefused() {
    assertThatThrownBy(() -> locate(BASE + 1, DRIVER, 2 * PIECE))
        .isInstanceOf(InvalidInputException.class)
        .hasMessage(
            "GPU memory is too small for the tensor: address=0x7f1200000001, dtype=U8,"
                + " shape=[4194304], neededBytes=4194304, bytesFromAddress=4194303, device=cuda:2");
    assertThatThrownBy(() -> locate(BASE + 2 * PIECE, DRIVER, PIECE + 1))
        .hasMessageContaining("bytesFromAddress=2097152, device=cuda:3");
  }

  @Test
  void theSpanOfAStridedTensorCounts() {
    long[] shape = {3, 1024};
    long fits = (PIECE - 2048) / 4;
    Tensor tensor = Tensor.ofAddress(BASE, DType.BF16, 1);
    LongFunction<PointerInfo> one = driver(DRIVER.apply(BASE));
    Tensor strided = Tensor.strided(tensor.segment(), DType.BF16, shape, new long[] {fits, 1});
    Tensor placed = CudaTensors.locate(BASE, strided, one);
    assertThat(placed.stride(0)).isEqualTo(fits);
    Tensor wider = Tensor.strided(tensor.segment(), DType.BF16, shape, new long[] {fits + 1, 1});
    assertThatThrownBy(() -> CudaTensors.locate(BASE, wider, one))
        .hasMessageContaining("neededBytes=" + (PIECE + 4));
  }

  @Test
  void otherMemoryIsRefused() {
    LongFunction<PointerInfo> pinned = driver(new PointerInfo(Kind.PINNED_HOST, 0, BASE, PIECE));
    assertThatThrownBy(() -> locate(BASE, pinned, 8))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("no GPU memory lies there: address=0x7f1200000000, dtype=U8")
        .hasMessageContaining("kind=PINNED_HOST");
    assertThatThrownBy(() -> locate(BASE - 1, DRIVER, 8)).hasMessageContaining("kind=NOT_CUDA");
    assertThatThrownBy(
            () -> CudaTensors.locate(BASE + 2, Tensor.ofAddress(BASE + 2, DType.F32, 1), DRIVER))
        .hasMessageContaining("not a multiple of the element size");
  }

  @Test
  void managedMemoryAndUnknownRangesPass() {
    LongFunction<PointerInfo> managed = any -> new PointerInfo(Kind.MANAGED, 1, 0, 0);
    assertThat(locate(BASE, managed, 1L << 40).device()).isEqualTo(Device.cuda(1));
  }

  @Test
  void plainHostMemoryIsRefused() {
    try (Arena arena = Arena.ofConfined()) {
      long address = arena.allocate(64, 64).address();
      assertThatThrownBy(() -> CudaTensors.wrap(address, DType.F32, 4, 4))
          .isInstanceOf(InvalidInputException.class)
          .hasMessageContaining("kind=NOT_CUDA, remedy=Tensor.ofAddress for host memory");
      assertThatThrownBy(() ->
              CudaTensors.wrapStrided(address, DType.F32, new long[] {2, 2}, new long[] {4, 1}))
          .hasMessageContaining("kind=NOT_CUDA");
    }
  }
}
