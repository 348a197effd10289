package io.crossdock.cuda;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.format.Fp8Groups;
import io.crossdock.core.format.Fp8Scale;
import io.crossdock.core.format.Ue8m0;
import io.crossdock.cuda.driver.CudaProbe;
import io.crossdock.cuda.driver.DeviceMemory;
import io.crossdock.cuda.driver.Launch;
import io.crossdock.cuda.driver.LaunchShape;
import io.crossdock.cuda.driver.Stream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// The kernel that casts BF16 rows to FP8, against the scalar one: on all sixteen bits of BF16 and
/// on random groups, for each kind of scale.
@Tag("gpu")
@Timeout(60)
class CastKernelTest {
  private static final Duration BOUND = Duration.ofSeconds(10);

  /// Five groups leave three spare bytes in the last word of packed scales.
  private static final int HIDDEN = 5 * Fp8Groups.CHANNELS;

  private static final int GROUPS = HIDDEN / Fp8Groups.CHANNELS;
  private static final int PACKED_BYTES = 8;
  private static final int RANDOM_TOKENS = 2000;
  private static final int BLOCKS = 16;

  /// Ordinals of ScaleKind in args.cuh.
  enum ScaleKind {
    AMAX,
    POWER_OF_TWO,
    UE8M0;

    Fp8Scale rule() {
      return this == AMAX ? Fp8Scale.AMAX : Fp8Scale.POWER_OF_TWO;
    }

    int bytes() {
      return this == UE8M0 ? PACKED_BYTES : GROUPS * Float.BYTES;
    }
  }

  @BeforeAll
  static void needsAGpu() {
    List<String> reasons = CudaProbe.probe().reasons();
    Assumptions.assumeTrue(reasons.isEmpty(), () -> "no GPU: " + String.join(", ", reasons));
  }

  @ParameterizedTest
  @EnumSource(ScaleKind.class)
  void doesWhatTheScalarOneDoes(ScaleKind kind) {
    int allValues = 1 << Short.SIZE;
    int tokens = (allValues + HIDDEN - 1) / HIDDEN + allValues / GROUPS + RANDOM_TOKENS;
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment rows = arena.allocate((long) tokens * HIDDEN * 2, 64);
      fill(rows, tokens);
      MemorySegment codes = arena.allocate((long) tokens * HIDDEN, 64);
      MemorySegment scales = arena.allocate((long) tokens * kind.bytes(), 64);
      cast(kind, tokens, List.of(rows, codes, scales));
      for (long token = 0; token < tokens; token++) {
        compare(
            kind,
            token,
            rows.asSlice(token * HIDDEN * 2, HIDDEN * 2L),
            codes.asSlice(token * HIDDEN, HIDDEN),
            scales.asSlice(token * kind.bytes(), kind.bytes()));
      }
    }
  }

  /// First every value among its neighbours, then every value as the largest of a group of small
  /// ones, then random groups of like size.
  private static void fill(MemorySegment rows, int tokens) {
    SplittableRandom random = new SplittableRandom(1);
    int amongNeighbours = ((1 << Short.SIZE) + HIDDEN - 1) / HIDDEN;
    int alone = amongNeighbours + (1 << Short.SIZE) / GROUPS;
    for (int token = 0; token < tokens; token++) {
      for (int channel = 0; channel < HIDDEN; channel++) {
        int bits;
        if (token < amongNeighbours) {
          bits = token * HIDDEN + channel;
        } else if (token < alone) {
          int group = (token - amongNeighbours) * GROUPS + channel / Fp8Groups.CHANNELS;
          bits = channel % Fp8Groups.CHANNELS == 77 ? group : channel % 2 << 15;
        } else {
          bits = 0x3c00 + random.nextInt(0x500) | random.nextInt(2) << 15;
        }
        rows.set(JAVA_SHORT_UNALIGNED, ((long) token * HIDDEN + channel) * 2, (short) bits);
      }
    }
  }

  /// @param memory rows, codes and scales; the last two are overwritten
  private static void cast(ScaleKind kind, int tokens, List<MemorySegment> memory) {
    CudaGpu gpu = CudaGpu.open(0);
    try (Arena arena = Arena.ofConfined();
        Stream stream = Stream.create(gpu.context(), Stream.Use.SERVICE);
        DeviceMemory x = DeviceMemory.allocate(gpu.context(), memory.get(0).byteSize());
        DeviceMemory codes = DeviceMemory.allocate(gpu.context(), memory.get(1).byteSize());
        DeviceMemory scales = DeviceMemory.allocate(gpu.context(), memory.get(2).byteSize())) {
      stream.hostToDevice(x.address(), memory.get(0).address(), memory.get(0).byteSize());
      stream.memset8(scales.address(), (byte) -1, memory.get(2).byteSize());
      Launch cast = new Launch(arena, gpu.function(Kernel.CAST_FP8), Structs.CAST.byteSize());
      put(cast, "x", x.address());
      put(cast, "x_pitch", HIDDEN * 2L);
      put(cast, "codes", codes.address());
      put(cast, "codes_pitch", HIDDEN);
      put(cast, "scales", scales.address());
      put(cast, "scales_pitch", kind.bytes());
      put(cast, "num_tokens", tokens);
      put(cast, "hidden", HIDDEN);
      put(cast, "scale_kind", kind.ordinal());
      cast.run(stream, new LaunchShape(BLOCKS, cast.function().maxThreads(), 0));
      stream.deviceToHost(memory.get(1).address(), codes.address(), memory.get(1).byteSize());
      stream.deviceToHost(memory.get(2).address(), scales.address(), memory.get(2).byteSize());
      stream.synchronize(BOUND);
    }
  }

  private static void put(Launch launch, String field, long word) {
    launch.args().set(JAVA_LONG, Structs.CAST.offset(field), word);
  }

  private static void compare(
      ScaleKind kind, long token, MemorySegment row, MemorySegment codes, MemorySegment scales) {
    MemorySegment wantedCodes = MemorySegment.ofArray(new byte[HIDDEN]);
    MemorySegment wantedScales = MemorySegment.ofArray(new byte[GROUPS * Float.BYTES]);
    Fp8Groups.quantiseRow(row, kind.rule(), wantedCodes, wantedScales);
    if (kind == ScaleKind.UE8M0) {
      MemorySegment packed = MemorySegment.ofArray(new byte[PACKED_BYTES]);
      Ue8m0.packRow(wantedScales, packed);
      wantedScales = packed;
    }
    long scaleAt = scales.mismatch(wantedScales);
    assertThat(scaleAt).as("first scale byte that differs, token=%d", token).isEqualTo(-1);
    for (long channel = 0; channel < HIDDEN; channel++) {
      byte got = codes.get(JAVA_BYTE, channel);
      byte wanted = wantedCodes.get(JAVA_BYTE, channel);
      if (got != wanted && !(isNaN(got) && isNaN(wanted))) {
        throw new AssertionError(
            "code differs: kind=%s, token=%d, channel=%d, value=0x%04x, code=0x%02x, expected=0x%02x"
                .formatted(
                    kind, token, channel, row.get(JAVA_SHORT_UNALIGNED, channel * 2), got, wanted));
      }
    }
  }

  private static boolean isNaN(byte code) {
    return (code & Byte.MAX_VALUE) == Byte.MAX_VALUE;
  }
}
