package io.crossdock.verify.network;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.verify.harness.RankProcesses;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// What leaves a node is what the library says: a row for each pair of a token and another node,
/// within 8 % of what the interfaces count.
@RequiresNodes
class WireBytesTest {
  private static final Duration BOUND = Duration.ofSeconds(60);
  private static final double TOLERANCE = 1.08;
  private static final Pattern TOLD = Pattern.compile("counted=(\\d+), rowBytes=(\\d+)");

  @TempDir private Path folder;

  @ParameterizedTest
  @CsvSource({"1, DISPATCH", "2, DISPATCH_AND_COMBINE"})
  void interfacesCountTheSame(int localRanks, WireBody.Calls calls) throws Exception {
    try (TwoNodes nodes = TwoNodes.open(TwoNodes.Link.VETH, 1);
        RankProcesses ranks =
            nodes.launch(localRanks).start(WireBody.class, folder.toString(), calls.name())) {
      long sent = sentBytes(nodes, ranks, 2 * localRanks);
      ranks.awaitSuccess(BOUND);
      long counted = 0;
      long rowBytes = 0;
      for (int rank = 0; rank < 2 * localRanks; rank++) {
        Matcher told = TOLD.matcher(ranks.output(rank));
        assertThat(told.find()).isTrue();
        counted += Long.parseLong(told.group(1));
        rowBytes += Long.parseLong(told.group(2));
      }
      long expected = calls == WireBody.Calls.DISPATCH ? rowBytes : 2 * rowBytes;
      System.out.printf("wire: sent=%d, counted=%d, rows=%d%n", sent, counted, expected);
      assertThat(counted).isBetween(expected, (long) (expected * TOLERANCE));
      assertThat(sent).isBetween(expected, (long) (expected * TOLERANCE));
      assertThat(sent).isBetween((long) (counted / TOLERANCE), (long) (counted * TOLERANCE));
    }
  }

  /// {@return what both nodes sent while the calls were made}
  private long sentBytes(TwoNodes nodes, RankProcesses ranks, int numRanks) throws Exception {
    for (int rank = 0; rank < numRanks; rank++) {
      ranks.awaitOutput(rank, WireBody.WARM, BOUND);
    }
    long before = nodes.sentBytes(0) + nodes.sentBytes(1);
    Files.createFile(folder.resolve(WireBody.LOOKED));
    for (int rank = 0; rank < numRanks; rank++) {
      ranks.awaitOutput(rank, WireBody.SENT, BOUND);
    }
    long after = nodes.sentBytes(0) + nodes.sentBytes(1);
    Files.createFile(folder.resolve(WireBody.LOOKED_AGAIN));
    return after - before;
  }
}
