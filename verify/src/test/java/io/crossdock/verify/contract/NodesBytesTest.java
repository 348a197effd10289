package io.crossdock.verify.contract;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.CallStats;
import io.crossdock.core.DispatchResult;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.Layout;
import io.crossdock.core.Mode;
import io.crossdock.core.Tensor;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.contract.ContractCase.Flow;
import io.crossdock.verify.contract.ContractCase.Options;
import io.crossdock.verify.contract.ContractCase.Routing;
import io.crossdock.verify.contract.ContractCase.Rows;
import io.crossdock.verify.harness.EngineUnderTest;
import io.crossdock.verify.harness.OverNodes;
import io.crossdock.verify.harness.RankThreads;
import io.crossdock.verify.network.Weather;
import java.lang.foreign.Arena;
import java.util.List;
import org.junit.jupiter.api.Test;

/// What crosses the network: each row once for each other node that wants it, and little else.
@OverNodes
class NodesBytesTest {
  private static final int HIDDEN = 4096;
  private static final int NUM_LOCAL_RANKS = 2;
  private static final double OVERHEAD = 1.08;

  private static final ContractCase CASE =
      new ContractCase(
          5,
          List.of(90, 40, 0, 77),
          HIDDEN,
          16,
          6,
          Rows.BF16,
          Routing.UNIFORM,
          Flow.SYNCHRONOUS,
          new Options(false, true, false, true, true, false, true, 1, 0, 0, 0, 1, 1, 32));

  @Test
  void aRowCrossesOnceForEachNode() throws Exception {
    RankThreads.run(4, NodesBytesTest::onRank);
  }

  private static void onRank(ProcessGroup group) {
    int rank = group.rank();
    try (Arena arena = Arena.ofShared();
        EpBuffer buffer = EpBuffer.open(EngineUnderTest.open(), CASE.spec(), group)) {
      ContractRun run = new ContractRun(CASE, buffer, arena);
      long rows = remoteRows(buffer, arena);
      group.barrier();
      long before = Weather.sentBytes(Mode.NORMAL, rank);
      try (DispatchResult fresh = run.dispatch()) {
        check(buffer.lastCall(), rows, before, rank);
        long incoming = fresh.handle().numRecvTokens();
        assertThat(incoming).isPositive();
        run.combine(fresh.handle());
      }
    }
  }

  /// Rows of this rank that another node wants, by the layout.
  private static long remoteRows(EpBuffer buffer, Arena arena) {
    RankData.Memories memories = new RankData.Memories(arena, buffer.memory());
    Tensor ids = new RankData(CASE, buffer.group().rank(), 0, memories).topkIdx();
    Layout layout = buffer.layout(ids, CASE.experts());
    Tensor perNode = layout.tokensPerNode().orElseThrow();
    long rows = 0;
    for (int node = 0; node < perNode.numElements(); node++) {
      boolean own = node == buffer.group().rank() / NUM_LOCAL_RANKS;
      rows += own ? 0 : perNode.segment().get(JAVA_INT_UNALIGNED, node * 4L);
    }
    return rows;
  }

  private static void check(CallStats stats, long rows, long before, int rank) {
    long bytes = rows * HIDDEN * 2;
    assertThat(stats.networkBytes()).isBetween(bytes, (long) (bytes * OVERHEAD));
    long sent = Weather.sentBytes(Mode.NORMAL, rank) - before;
    assertThat(sent).isGreaterThanOrEqualTo(stats.networkBytes());
    if (rows > 0) {
      assertThat((double) sent).isLessThan(bytes * OVERHEAD);
    }
  }
}
