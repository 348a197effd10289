package io.crossdock.cuda;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.crossdock.core.DType;
import io.crossdock.core.Device;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.Tensor;
import io.crossdock.core.format.Fp8Groups;
import io.crossdock.core.format.Fp8Scale;
import io.crossdock.core.format.Ue8m0;
import io.crossdock.cuda.Fp8Cast.ScaleKind;
import io.crossdock.cuda.driver.CudaProbe;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class Fp8CastTest {
  private static final Device GPU = Device.cuda(0);
  private static final int HIDDEN = 640;
  private static final int GROUPS = HIDDEN / Fp8Groups.CHANNELS;

  private final Tensor x = on(GPU, DType.BF16, 3, HIDDEN);
  private final Tensor codes = on(GPU, DType.FP8_E4M3, 3, HIDDEN);
  private final Tensor scales = on(GPU, DType.F32, 3, GROUPS);
  private final Tensor packed = on(GPU, DType.I32, 3, 2);

  private static Tensor on(Device device, DType dtype, long... shape) {
    return Tensor.ofAddress(device, 0x7f00_0000_0000L, dtype, shape);
  }

  @Test
  void theKindFollowsFromRuleAndScales() {
    assertThat(Fp8Cast.check(x, Fp8Scale.AMAX, codes, scales)).isEqualTo(ScaleKind.AMAX);
    assertThat(Fp8Cast.check(x, Fp8Scale.POWER_OF_TWO, codes, scales))
        .isEqualTo(ScaleKind.POWER_OF_TWO);
    assertThat(Fp8Cast.check(x, Fp8Scale.POWER_OF_TWO, codes, packed)).isEqualTo(ScaleKind.UE8M0);
  }

  @Test
  void whatDoesNotFitIsRefusedBeforeAGpuIsAsked() {
    refused(on(Device.HOST, DType.BF16, 3, HIDDEN), codes, scales, "x must lie on a GPU: device=");
    refused(on(GPU, DType.FP16, 3, HIDDEN), codes, scales, "x must be [tokens, H] of BF16");
    refused(on(GPU, DType.BF16, 3, 130), codes, scales, "H a multiple of 128: dtype=BF16");
    refused(on(GPU, DType.BF16, HIDDEN), codes, scales, "shape=[640]");
    refused(
        x,
        on(GPU, DType.FP8_E4M3, 2, HIDDEN),
        scales,
        "codes do not fit x: dtype=FP8_E4M3, shape=[2, 640], expectedDtype=FP8_E4M3,"
            + " expectedShape=[3, 640]");
    refused(x, on(GPU, DType.U8, 3, HIDDEN), scales, "codes do not fit x: dtype=U8");
    refused(x, on(Device.cuda(1), DType.FP8_E4M3, 3, HIDDEN), scales, "codes lies on another");
    refused(x, codes, on(GPU, DType.F32, 3, 4), "scales do not fit x: dtype=F32, shape=[3, 4]");
    refused(x, codes, on(Device.HOST, DType.F32, 3, GROUPS), "scales lies on another device");
    refused(x, codes, packed, "packed scales are powers of two: rule=AMAX");
    Tensor narrow = on(GPU, DType.I32, 3, 1);
    assertThatThrownBy(() -> Fp8Cast.cast(x, Fp8Scale.POWER_OF_TWO, codes, narrow))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("packed UE8M0 scales do not fit x")
        .hasMessageContaining("expectedShape=[3, 2]");
  }

  private static void refused(Tensor x, Tensor codes, Tensor scales, String text) {
    assertThatThrownBy(() -> Fp8Cast.cast(x, Fp8Scale.AMAX, codes, scales))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining(text);
  }

  @Test
  void rowsMayBePartsOfWiderOnes() {
    long[] strides = {2 * HIDDEN, 1};
    Tensor wide = Tensor.strided(GPU, x.segment(), DType.BF16, x.shape(), strides);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment args = arena.allocate(Structs.CAST.byteSize(), Long.BYTES);
      Fp8Cast.write(args, wide, codes, scales);
      assertThat(args.toArray(JAVA_LONG))
          .containsExactly(
              x.segment().address(),
              4 * HIDDEN,
              codes.segment().address(),
              HIDDEN,
              scales.segment().address(),
              4 * GROUPS,
              3,
              HIDDEN,
              0);
    }
  }

  @ParameterizedTest
  @CsvSource({"1, 128, 1", "8, 128, 1", "9, 128, 2", "4096, 7168, 1056"})
  void blocks(long tokens, long hidden, int wanted) {
    assertThat(Fp8Cast.numBlocks(on(GPU, DType.BF16, tokens, hidden), 132)).isEqualTo(wanted);
  }

  @Test
  void noRowsNeedNoGpu() {
    Fp8Cast.cast(
        on(GPU, DType.BF16, 0, HIDDEN),
        Fp8Scale.AMAX,
        on(GPU, DType.FP8_E4M3, 0, HIDDEN),
        on(GPU, DType.F32, 0, GROUPS));
  }

  /// The same bytes as on the host, for finite numbers.
  @ParameterizedTest
  @CsvSource({
    "AMAX, false, 1, 128", "AMAX, false, 129, 640", "POWER_OF_TWO, false, 13, 7168",
    "POWER_OF_TWO, true, 13, 7168", "POWER_OF_TWO, true, 127, 640", "POWER_OF_TWO, true, 1, 128"
  })
  void theGpuCastsAsTheHost(Fp8Scale rule, boolean isPacked, int tokens, int hidden) {
    assumeTrue(CudaProbe.probe().reasons().isEmpty(), "no GPU, or no kernels");
    int groups = hidden / Fp8Groups.CHANNELS;
    int words = Ue8m0.numWords(groups);
    try (Arena arena = Arena.ofShared();
        CudaMemory memory = new CudaMemory(CudaGpu.open(0), Duration.ofSeconds(10))) {
      Tensor rows = noise(arena, tokens, hidden);
      Tensor onGpu = memory.toDevice(rows);
      Tensor gotCodes = Tensor.allocate(memory.allocator(), DType.FP8_E4M3, tokens, hidden);
      Tensor gotScales =
          isPacked
              ? Tensor.allocate(memory.allocator(), DType.I32, tokens, words)
              : Tensor.allocate(memory.allocator(), DType.F32, tokens, groups);
      Fp8Cast.cast(onGpu, rule, gotCodes, gotScales);
      MemorySegment onHost = memory.toHost(gotCodes).segment();
      MemorySegment scalesOnHost = memory.toHost(gotScales).segment();
      MemorySegment wantedCodes = arena.allocate(hidden);
      MemorySegment wantedScales = arena.allocate(groups * 4L, 4);
      MemorySegment wantedWords = arena.allocate(words * 4L, 4);
      MemorySegment wanted = isPacked ? wantedWords : wantedScales;
      for (int token = 0; token < tokens; token++) {
        MemorySegment row = rows.segment().asSlice(token * 2L * hidden, 2L * hidden);
        Fp8Groups.quantiseRow(row, rule, wantedCodes, wantedScales);
        Ue8m0.packRow(wantedScales, wantedWords);
        MemorySegment code = onHost.asSlice((long) token * hidden, hidden);
        MemorySegment scale = scalesOnHost.asSlice(token * wanted.byteSize(), wanted.byteSize());
        assertThat(code.mismatch(wantedCodes)).as("codes of token %d", token).isEqualTo(-1);
        assertThat(scale.mismatch(wanted)).as("scales of token %d", token).isEqualTo(-1);
      }
    }
  }

  @Test
  void aCurrentStreamGetsTheWork() {
    assumeTrue(CudaProbe.probe().reasons().isEmpty(), "no GPU, or no kernels");
    try (Arena arena = Arena.ofShared();
        CudaMemory memory = new CudaMemory(CudaGpu.open(0), Duration.ofSeconds(10));
        CudaStream stream = CudaStream.create(0)) {
      Tensor rows = memory.toDevice(noise(arena, 13, HIDDEN));
      Tensor first = Tensor.allocate(memory.allocator(), DType.FP8_E4M3, 13, HIDDEN);
      Tensor second = Tensor.allocate(memory.allocator(), DType.FP8_E4M3, 13, HIDDEN);
      Tensor scale = Tensor.allocate(memory.allocator(), DType.F32, 13, GROUPS);
      Fp8Cast.cast(rows, Fp8Scale.AMAX, first, scale);
      stream.submit(() -> Fp8Cast.cast(rows, Fp8Scale.AMAX, second, scale)).currentStreamWait();
      MemorySegment wanted = memory.toHost(first).segment();
      assertThat(memory.toHost(second).segment().mismatch(wanted)).isEqualTo(-1);
      assertThat(wanted.toArray(JAVA_BYTE)).isNotEqualTo(new byte[13 * HIDDEN]);
    }
  }

  /// All magnitudes, some groups of zeros.
  private static Tensor noise(Arena arena, int tokens, int hidden) {
    Tensor rows = Tensor.allocate(arena, DType.BF16, tokens, hidden);
    SplittableRandom random = new SplittableRandom(tokens * 31L + hidden);
    for (long i = 0; i < rows.numElements(); i++) {
      boolean zero = i / Fp8Groups.CHANNELS % 5 == 4;
      int exponent = 127 + random.nextInt(-20, 20);
      int bits = random.nextInt(2) << 15 | exponent << 7 | random.nextInt(128);
      rows.segment().setAtIndex(JAVA_SHORT, i, (short) (zero ? 0 : bits));
    }
    return rows;
  }
}
