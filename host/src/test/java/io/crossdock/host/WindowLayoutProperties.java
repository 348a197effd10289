package io.crossdock.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.DType;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.protocol.Entry;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

class WindowLayoutProperties {
  private static final int LINES = 128;
  private static final int PAGE = 4096;

  /// A range of bytes that has one use.
  private record Area(String name, BigInteger start, BigInteger bytes, int alignment) {
    Area(String name, long start, long bytes, int alignment) {
      this(name, BigInteger.valueOf(start), BigInteger.valueOf(bytes), alignment);
    }

    BigInteger end() {
      return start.add(bytes);
    }
  }

  @Provide
  Arbitrary<BufferSpec> specs() {
    return Combinators.combine(
            Arbitraries.integers().between(0, 5000),
            Arbitraries.integers().between(1, 1000),
            Arbitraries.integers().between(1, 32),
            Arbitraries.of(DType.BF16, DType.FP16, DType.F32),
            Arbitraries.integers().between(1, 4),
            Arbitraries.longs().between(0, 600_000))
        .as((tokens, eighths, topk, dtype, windows, capacity) ->
            BufferSpec.builder()
                .numMaxTokensPerRank(tokens)
                .hidden(eighths * 8)
                .topk(topk)
                .numExperts(5040)
                .dtype(dtype)
                .windows(windows, 5 - windows)
                .capacityRows(capacity)
                .build());
  }

  @Property(tries = 300)
  void areasLieInsideAndApart(@ForAll("specs") BufferSpec spec) {
    for (int numRanks : new int[] {1, 2, 3, 7, 8, 16, 126}) {
      check(spec, numRanks);
    }
  }

  private static void check(BufferSpec spec, int numRanks) {
    WindowLayout layout = WindowLayout.of(spec, numRanks);
    List<Area> areas = areas(layout, spec, numRanks);
    areas.sort(Comparator.comparing(Area::start));
    BigInteger end = BigInteger.ZERO;
    for (Area area : areas) {
      assertThat(area.start).as("%s of %s", area, spec).isGreaterThanOrEqualTo(end);
      assertThat(area.start.mod(BigInteger.valueOf(area.alignment))).as("%s", area).isZero();
      end = area.end();
    }
    assertThat(BigInteger.valueOf(layout.byteSize)).as("%s", spec).isGreaterThanOrEqualTo(end);
    assertThat(layout.byteSize % PAGE).isZero();
  }

  /// Every area, from the sizes that a spec asks for.
  private static List<Area> areas(WindowLayout layout, BufferSpec spec, int numRanks) {
    List<Area> areas = new ArrayList<>();
    areas.add(new Area("state", layout.state, LINES, LINES));
    areas.add(new Area("finished", layout.finished, LINES, LINES));
    areas.add(new Area("pulled", layout.pulled, LINES, LINES));
    areas.add(new Area("reason", layout.reason, 8 + Entry.MAX_REASON_BYTES, LINES));
    for (long epoch = 6; epoch < 8; epoch++) {
      long slot = layout.slot(epoch);
      areas.add(new Area("slot", slot, WindowLayout.NUM_TERMS * 8L, LINES));
      areas.add(new Area("reason", slot + layout.slotReason, 8 + Entry.MAX_REASON_BYTES, 8));
      areas.add(new Area("ranks", slot + layout.slotRankCounts, numRanks * 8L, 8));
      areas.add(new Area("experts", slot + layout.slotExpertCounts, spec.numExperts() * 4L, 8));
    }
    BigInteger rows = BigInteger.valueOf(spec.windowRows(numRanks));
    for (int window = 0; window < spec.numReceiveWindows(); window++) {
      long at = layout.receive(window);
      assertThat(at % PAGE).isZero();
      addRows(areas, "rows", at, rows, spec.hidden() * (long) spec.dtype().bytes());
      addRows(areas, "scales", at + layout.recvScales, rows, (spec.hidden() + 127) / 128 * 4L);
      addRows(areas, "ids", at + layout.recvTopkIdx, rows, spec.topk() * 8L);
      addRows(areas, "weights", at + layout.recvTopkWeights, rows, spec.topk() * 4L);
      addRows(areas, "source", at + layout.recvSource, rows, 4);
    }
    for (int window = 0; window < spec.numOutputWindows(); window++) {
      long at = layout.output(window);
      assertThat(at % PAGE).isZero();
      addRows(areas, "outputs", at, rows, spec.hidden() * 2L);
      addRows(areas, "sums", at + layout.outputWeights, rows, spec.topk() * 4L);
    }
    return areas;
  }

  private static void addRows(
      List<Area> areas, String name, long start, BigInteger rows, long rowBytes) {
    BigInteger bytes = rows.multiply(BigInteger.valueOf(rowBytes));
    areas.add(new Area(name, BigInteger.valueOf(start), bytes, LINES));
  }

  @Example
  void offsetsPassThe31stAndThe40thBit() {
    BufferSpec spec =
        BufferSpec.builder()
            .numMaxTokensPerRank(524_288)
            .hidden(7168)
            .dtype(DType.F32)
            .windows(3, 3)
            .capacityRows(524_288L * 64)
            .build();
    check(spec, 64);
    WindowLayout layout = WindowLayout.of(spec, 64);
    assertThat(layout.rows * spec.maxRowBytes()).isEqualTo(962_072_674_304L);
    assertThat(layout.receive(2)).isGreaterThan(1L << 40);
  }

  @Example
  void moreThanMemoryCanBeIsAnErrorAndNoWrapAround() {
    BufferSpec spec = BufferSpec.builder().capacityRows(Long.MAX_VALUE / 10_000).build();
    assertThatThrownBy(() -> WindowLayout.of(spec, 8))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("capacityRows=" + Long.MAX_VALUE / 10_000);
  }
}
