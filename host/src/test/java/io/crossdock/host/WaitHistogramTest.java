package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.watch.WaitBuckets;
import io.crossdock.core.watch.WatchLayout;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.Test;

class WaitHistogramTest {
  private static final int RANKS = 3;

  @Test
  void watchersSeeEveryWait() {
    try (Arena arena = Arena.ofShared();
        WaitTimes times = new WaitTimes(RANKS)) {
      WaitHistogram histogram = WaitHistogram.create(2, RANKS, arena);
      times.share(histogram);
      MemorySegment seen = SharedMemory.map(histogram.link(), WatchLayout.byteSize(RANKS), arena);
      assertThat(seen.get(JAVA_LONG, WatchLayout.MAGIC_AT)).isEqualTo(WatchLayout.MAGIC);
      assertThat(seen.get(JAVA_LONG, WatchLayout.RANK_AT)).isEqualTo(2);
      assertThat(seen.get(JAVA_LONG, WatchLayout.NUM_RANKS_AT)).isEqualTo(RANKS);
      times.add(1, 0);
      times.add(1, 5_000);
      times.startCall();
      times.add(1, 5_000);
      times.add(0, 70);
      assertThat(times.ofCall()).containsExactly(70, 5_000, 0);
      assertThat(counter(seen, 1, 0)).isEqualTo(1);
      assertThat(counter(seen, 1, 5_000)).isEqualTo(2);
      assertThat(counter(seen, 0, 70)).isEqualTo(1);
      assertThat(counter(seen, 2, 70)).isZero();
    }
  }

  private static long counter(MemorySegment memory, int peer, long nanos) {
    return memory.get(JAVA_LONG, WatchLayout.counterAt(peer, WaitBuckets.of(nanos)));
  }

  @Test
  void onlyTheUserReadsIt() throws Exception {
    try (Arena arena = Arena.ofShared();
        WaitHistogram histogram = WaitHistogram.create(0, RANKS, arena)) {
      Path link = Path.of(histogram.link());
      assertThat(Files.readSymbolicLink(link).getFileName().toString())
          .startsWith(WatchLayout.FILE_PREFIX + ProcessHandle.current().pid() + "-0-");
      assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(link)))
          .isEqualTo("rw-------");
    }
  }
}
