package io.crossdock.host;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.Domain;
import io.crossdock.core.Mode;
import io.crossdock.core.protocol.NodePlace;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.junit.jupiter.api.Test;

class NodeLayoutTest {
  private static final NodePlace PLACE = new NodePlace(2, 6, 2);
  private static final BufferSpec SPEC =
      BufferSpec.builder().numMaxTokensPerRank(5).hidden(128).topk(3).numExperts(12).build();

  /// Bytes of a layout.
  private record Range(long begin, long bytes) {
    long end() {
      return begin + bytes;
    }
  }

  @Test
  void nothingOverlaps() {
    WindowLayout all = WindowLayout.of(SPEC, PLACE);
    NodeLayout nodes = all.nodes;
    List<Range> ranges = new ArrayList<>();
    ranges.add(new Range(all.output(1), all.outputBytes));
    for (int rank = 0; rank < PLACE.numRanks(); rank++) {
      ranges.add(new Range(nodes.mirror(rank), all.cellBytes));
    }
    for (int node : new int[] {0, 2}) {
      ranges.add(new Range(nodes.dispatched(PLACE.node(), node), 8));
      ranges.add(new Range(nodes.combined(PLACE.node(), node), 8));
      ranges.add(new Range(nodes.probed(PLACE.node(), node), 8));
      ranges.add(new Range(nodes.chunks(PLACE.node(), node), nodes.chunkBytes));
    }
    ranges.sort(Comparator.comparingLong(Range::begin));
    for (int i = 1; i < ranges.size(); i++) {
      assertThat(ranges.get(i).begin())
          .as("range %d", i)
          .isGreaterThanOrEqualTo(ranges.get(i - 1).end());
    }
    assertThat(ranges.getLast().end()).isLessThanOrEqualTo(all.byteSize);
  }

  @Test
  void aLandingHasRoomForEveryRowAndPartialSum() {
    NodeLayout nodes = WindowLayout.of(SPEC, PLACE).nodes;
    long row = 128 * 2 + 4 + NodeLayout.sideBytes(PLACE, 3, true, 0);
    assertThat(nodes.chunkBytes).isEqualTo(5 * row);
    assertThat(NodeLayout.partialBytes(128, 3)).isLessThanOrEqualTo(row);
    assertThat(SPEC.sizeHint(Mode.NORMAL, Domain.SCALE_OUT, 6, 2)).isEqualTo(2 * nodes.chunkBytes);
  }

  @Test
  void marksOnlyGrow() {
    long start = NodeLayout.mark(7, 0, false);
    long some = NodeLayout.mark(7, 3, false);
    long all = NodeLayout.mark(7, 3, true);
    long next = NodeLayout.mark(8, 0, false);
    assertThat(List.of(start, some, all, next)).isSorted().doesNotHaveDuplicates();
    assertThat(NodeLayout.rows(all, 7)).isEqualTo(3);
    assertThat(NodeLayout.isLast(all, 7)).isTrue();
    assertThat(NodeLayout.isLast(some, 7)).isFalse();
    assertThat(NodeLayout.rows(all, 8)).isZero();
    assertThat(NodeLayout.isLast(all, 8)).isFalse();
    int most = NodeLayout.MAX_ROWS - 1;
    assertThat(NodeLayout.rows(NodeLayout.mark(1L << 37, most, true), 1L << 37)).isEqualTo(most);
  }

  @Test
  void rowsAreShownInsteadOfMarks() {
    long next = NodeLayout.mark(7, 3, false) + 1;
    assertThat(NodeLayout.rowsWaitedFor(next, next)).isEqualTo(4);
    assertThat(NodeLayout.rowsWaitedFor(NodeLayout.mark(7, 3, false), next)).isEqualTo(3);
    assertThat(NodeLayout.rowsWaitedFor(NodeLayout.mark(6, 9, true), next)).isZero();
  }

  @Test
  void oneNodeNeedsNothing() {
    assertThat(WindowLayout.of(SPEC, 6).nodes).isNull();
  }
}
