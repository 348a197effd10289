package io.crossdock.cuda;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.DType;
import io.crossdock.core.InvalidInputException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

/// Nothing overlaps, everything is aligned, no offset is cut to 32 bits.
class CudaGeometryTest {
  private static final int LINE_BYTES = 128;

  @Property(tries = 200)
  void areasFollowEachOtherAligned(
      @ForAll @IntRange(min = 0, max = 5000) int tokens,
      @ForAll @IntRange(min = 1, max = 1000) int channels,
      @ForAll @IntRange(min = 1, max = 64) int ranks,
      @ForAll @IntRange(min = 1, max = 8) int windows) {
    BufferSpec spec =
        BufferSpec.builder()
            .numMaxTokensPerRank(tokens)
            .hidden(channels * 8)
            .topk(1)
            .numExperts(ranks * 3)
            .windows(windows, windows)
            .build();
    CudaGeometry geometry = CudaGeometry.of(spec, ranks);
    long[] ends = {
      geometry.entries,
      geometry.entry(1, ranks - 1) + geometry.entryPitch,
      geometry.finished + ranks * 8L,
      geometry.pulled + ranks * 8L,
      geometry.states + ranks * 8L,
      geometry.barriers + ranks * 8L,
      geometry.reasons + ranks * 512L,
      geometry.receive(windows - 1) + geometry.receivePitch,
      geometry.output(windows - 1) + geometry.outputPitch
    };
    long[] starts = {
      geometry.entries,
      geometry.finished,
      geometry.pulled,
      geometry.states,
      geometry.barriers,
      geometry.reasons,
      geometry.receive(0),
      geometry.output(0),
      geometry.byteSize
    };
    for (int i = 0; i + 1 < starts.length; i++) {
      assertThat(ends[i + 1]).isLessThanOrEqualTo(starts[i + 1]);
      assertThat(starts[i] % LINE_BYTES).isZero();
    }
    assertThat(geometry.recvScales).isGreaterThanOrEqualTo(geometry.rows * spec.maxRowBytes());
    assertThat(geometry.recvSource + geometry.rows * 4).isLessThanOrEqualTo(geometry.receivePitch);
    assertThat(geometry.outputWeights + geometry.rows * 4)
        .isLessThanOrEqualTo(geometry.outputPitch);
  }

  @Test
  void largeWindowsNeedMoreThan32Bits() {
    BufferSpec spec =
        BufferSpec.builder()
            .numMaxTokensPerRank(65536)
            .hidden(7168)
            .topk(8)
            .numExperts(256)
            .dtype(DType.BF16)
            .build();
    CudaGeometry geometry = CudaGeometry.of(spec, 8);
    assertThat(geometry.rows).isEqualTo(524288);
    assertThat(geometry.recvScales).isEqualTo(524288L * 14336);
    assertThat(geometry.byteSize).isGreaterThan(4 * 524288L * 14336);
  }

  @Test
  void theStructHasAWordForEachField() {
    BufferSpec spec =
        BufferSpec.builder().numMaxTokensPerRank(4).hidden(128).topk(2).numExperts(8).build();
    CudaGeometry geometry = CudaGeometry.of(spec, 4);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment args = arena.allocate(Structs.GEOMETRY.byteSize(), 8).fill((byte) -1);
      geometry.write(args, new CudaGeometry.Place(3, 111, 222, true), 333);
      assertThat(args.get(JAVA_LONG, Structs.GEOMETRY.offset("rank"))).isEqualTo(3);
      assertThat(args.get(JAVA_LONG, Structs.GEOMETRY.offset("local"))).isEqualTo(333);
      assertThat(args.get(JAVA_LONG, Structs.GEOMETRY.offset("output_weights")))
          .isEqualTo(geometry.outputWeights);
      assertThat(args.get(JAVA_LONG, Structs.GEOMETRY.offset("capacity_rows")))
          .isEqualTo(geometry.rows);
    }
  }

  @Test
  void moreOutputWindowsThanKernelsKnowAreRefused() {
    BufferSpec spec =
        BufferSpec.builder()
            .numMaxTokensPerRank(4)
            .hidden(128)
            .topk(2)
            .numExperts(8)
            .windows(2, 65)
            .build();
    assertThatThrownBy(() -> CudaGeometry.of(spec, 4))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("numOutputWindows=65, max=64");
  }
}
