package io.crossdock.core.watch;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Collections;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

class WaitBucketsProperties {
  /// Buckets of an octave.
  private static final long PER_OCTAVE = 16;

  @Provide
  Arbitrary<Long> waits() {
    Arbitrary<Long> any = Arbitraries.longs().between(0, (1L << 44) - 1);
    return Arbitraries.integers().between(0, 43).flatMap(bits -> any.map(wait -> wait >>> bits));
  }

  @Property
  void aWaitLiesInItsBucket(@ForAll("waits") long wait) {
    int bucket = WaitBuckets.of(wait);
    assertThat(wait).isBetween(WaitBuckets.lowest(bucket), WaitBuckets.highest(bucket));
  }

  @Example
  void bucketsFollowEachOtherWithoutGaps() {
    assertThat(WaitBuckets.lowest(0)).isZero();
    for (int bucket = 1; bucket < WaitBuckets.COUNT; bucket++) {
      assertThat(WaitBuckets.lowest(bucket)).isEqualTo(WaitBuckets.highest(bucket - 1) + 1);
      long width = WaitBuckets.highest(bucket) - WaitBuckets.lowest(bucket) + 1;
      assertThat(width).isLessThanOrEqualTo(Math.max(1, WaitBuckets.lowest(bucket) / PER_OCTAVE));
      assertThat(WaitBuckets.middle(bucket))
          .isBetween(WaitBuckets.lowest(bucket), WaitBuckets.highest(bucket));
    }
    assertThat(WaitBuckets.highest(WaitBuckets.COUNT - 1)).isEqualTo((1L << 44) - 1);
  }

  @Example
  void theLastBucketHasWhatIsLonger() {
    assertThat(WaitBuckets.of(1L << 44)).isEqualTo(WaitBuckets.COUNT - 1);
    assertThat(WaitBuckets.of(Long.MAX_VALUE)).isEqualTo(WaitBuckets.COUNT - 1);
    assertThat(WaitBuckets.of(-1)).isZero();
  }

  @Property
  void medianAndMaximumAreRightButForTheWidthOfABucket(@ForAll("someWaits") List<Long> waits) {
    long[] counters = new long[WaitBuckets.COUNT];
    waits.forEach(wait -> counters[WaitBuckets.of(wait)]++);
    Collections.sort(waits);
    long median = waits.get((waits.size() - 1) / 2);
    long max = waits.getLast();
    WaitSummary summary = WaitSummary.of(counters);
    assertThat(summary.count()).isEqualTo(waits.size());
    assertThat(Math.abs(summary.medianNanos() - median)).isLessThanOrEqualTo(median / PER_OCTAVE);
    assertThat(summary.maxNanos()).isBetween(max, max + max / PER_OCTAVE);
  }

  @Provide
  Arbitrary<List<Long>> someWaits() {
    return waits().list().ofMinSize(1).ofMaxSize(50);
  }

  @Example
  void noWaitsHaveNoMedian() {
    assertThat(WaitSummary.of(new long[WaitBuckets.COUNT])).isEqualTo(new WaitSummary(0, 0, 0));
  }

  @Example
  void countersLieBehindEachOther() {
    assertThat(WatchLayout.counterAt(0, 0)).isEqualTo(WatchLayout.HEADER_BYTES);
    assertThat(WatchLayout.counterAt(1, 0))
        .isEqualTo(WatchLayout.counterAt(0, WaitBuckets.COUNT - 1) + Long.BYTES);
    assertThat(WatchLayout.byteSize(3)).isEqualTo(WatchLayout.counterAt(3, 0));
    assertThat(WatchLayout.HEADER_BYTES)
        .isGreaterThanOrEqualTo(WatchLayout.NUM_BUCKETS_AT + Long.BYTES);
  }
}
