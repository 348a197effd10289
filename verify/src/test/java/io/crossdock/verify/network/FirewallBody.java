package io.crossdock.verify.network;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.crossdock.core.TransportUnavailableException;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.harness.RankBody;
import java.time.Duration;
import java.util.List;

/// Opens a buffer while ranks can meet, but nothing passes between their transports: all are told
/// when the time of one wait is over.
public final class FirewallBody implements RankBody {
  private static final Duration TIMEOUT = Duration.ofSeconds(3);
  private static final Duration SOON = Duration.ofSeconds(30);

  /// @param arguments none
  public FirewallBody(List<String> arguments) {
    assertThat(arguments).isEmpty();
  }

  @Override
  public void run(ProcessGroup group) {
    for (NodeRank.Kind kind : List.of(NodeRank.Kind.NORMAL, NodeRank.Kind.ELASTIC)) {
      long start = System.nanoTime();
      Throwable thrown = catchThrowable(() -> NodeRank.open(group, kind, TIMEOUT).close());
      Duration took = Duration.ofNanos(System.nanoTime() - start);
      System.out.println(kind + " after ms=" + took.toMillis() + ": " + thrown);
      assertThat(thrown)
          .isExactlyInstanceOf(TransportUnavailableException.class)
          .hasMessageContaining("does not reach other nodes: rank=");
      assertThat(took).isLessThan(SOON);
    }
    group.barrier();
  }
}
