package io.crossdock.verify.network;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.crossdock.core.TransportUnavailableException;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.harness.RankBody;
import java.time.Duration;
import java.util.List;

/// Opens a buffer while one rank wants another kind of puts: all are told, long before a wait would
/// be over.
public final class MixedPutsBody implements RankBody {
  private static final Duration TIMEOUT = Duration.ofSeconds(60);
  private static final Duration SOON = Duration.ofSeconds(20);

  /// @param arguments none
  public MixedPutsBody(List<String> arguments) {
    assertThat(arguments).isEmpty();
  }

  @Override
  public void run(ProcessGroup group) {
    long start = System.nanoTime();
    Throwable thrown =
        catchThrowable(() -> NodeRank.open(group, NodeRank.Kind.NORMAL, TIMEOUT).close());
    System.out.println("told: " + thrown);
    assertThat(thrown)
        .isExactlyInstanceOf(TransportUnavailableException.class)
        .hasMessageContaining("does not reach other nodes: rank=" + group.rank())
        .hasMessageContaining("offer does not fit: peer=")
        .hasMessageContaining("puts=");
    assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(SOON);
    group.barrier();
  }
}
