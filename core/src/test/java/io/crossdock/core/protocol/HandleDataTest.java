package io.crossdock.core.protocol;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class HandleDataTest {
  private static HandleData handle(int rank, long[]... matrix) {
    HandleData handle = new HandleData(rank, matrix.length);
    for (int source = 0; source < matrix.length; source++) {
      handle.setCounts(source, matrix[source]);
    }
    return handle;
  }

  @Test
  void sumsTheCountsOfSourcesInOrder() {
    HandleData handle =
        handle(1, new long[] {1, 2, 3}, new long[] {10, 0, 30}, new long[] {100, 200, 0});
    assertThat(handle.prefix(0, 2)).isEqualTo(3);
    assertThat(handle.prefix(1, 0)).isEqualTo(11);
    assertThat(handle.prefix(2, 1)).isEqualTo(202);
    assertThat(handle.base(0, 1)).isZero();
    assertThat(handle.base(1, 1)).isEqualTo(2);
    assertThat(handle.base(2, 1)).isEqualTo(2);
    assertThat(handle.totalRows(0)).isEqualTo(111);
    assertThat(handle.numRecvRows()).isEqualTo(202);
  }

  @Test
  void forgetsTheCountsOfTheCallBefore() {
    HandleData handle = handle(0, new long[] {5, 5}, new long[] {5, 5});
    handle.setCounts(0, new long[] {1, 0});
    handle.setCounts(1, new long[] {0, 2});
    assertThat(handle.totalRows(0)).isEqualTo(1);
    assertThat(handle.totalRows(1)).isEqualTo(2);
  }

  @Test
  void countsRowsAndBytesBeyond32Bits() {
    long rows = 524_288;
    HandleData handle = handle(0, new long[] {rows, rows}, new long[] {rows * 8192, rows});
    long base = handle.base(1, 0);
    assertThat(base * 7168 * 2).isEqualTo(7_516_192_768L);
    assertThat(handle.totalRows(0)).isEqualTo(4_295_491_584L).isGreaterThan(1L << 32);
    assertThat(handle.prefix(1, 0)).isEqualTo(rows * 8193);
  }

  @Test
  void refusesSumsBeyond64Bits() {
    assertThatThrownBy(() -> handle(0, new long[] {Long.MAX_VALUE, 0}, new long[] {1, 0}))
        .isInstanceOf(ArithmeticException.class);
  }

  @Test
  void makesRoomForWhatArrivesHere() {
    HandleData handle = handle(1, new long[] {1, 3}, new long[] {1, 2});
    handle.ensureSourceIndices();
    assertThat(handle.sourceTokenIdx).hasSizeGreaterThanOrEqualTo(5);
    int[] room = handle.sourceTokenIdx;
    handle.setCounts(1, new long[] {1, 0});
    handle.ensureSourceIndices();
    assertThat(handle.sourceTokenIdx).isSameAs(room);
  }

  @Test
  void refusesMoreSourceIndicesThanAnArrayHolds() {
    HandleData handle = handle(0, new long[] {1L << 31, 0}, new long[] {0, 0});
    assertThatThrownBy(handle::ensureSourceIndices).isInstanceOf(ArithmeticException.class);
  }

  @Test
  void clearsTheCountsOfExperts() {
    HandleData handle = new HandleData(0, 2);
    handle.ensureExperts(3);
    handle.tokensPerLocalExpert[1] = 9;
    handle.ensureExperts(3);
    assertThat(handle.tokensPerLocalExpert).containsExactly(0, 0, 0);
    handle.ensureExperts(0);
    assertThat(handle.tokensPerLocalExpert).isEmpty();
  }
}
