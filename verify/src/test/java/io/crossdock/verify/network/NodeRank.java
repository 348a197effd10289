package io.crossdock.verify.network;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.BufferSpecBuilder;
import io.crossdock.core.DispatchResult;
import io.crossdock.core.Engines;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.LowLatencyDispatchResult;
import io.crossdock.core.Mode;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.faults.ElasticCalls;
import io.crossdock.verify.harness.ExactCalls;
import io.crossdock.verify.harness.Together;
import java.time.Duration;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.IntStream;

/// One rank of several nodes, and calls of it in which every byte is compared.
///
/// Confined to the thread of the rank.
final class NodeRank implements AutoCloseable {
  private static final int MAX_TRIES = 20;

  /// Which calls a buffer is for.
  enum Kind {
    /// Normal mode.
    NORMAL,
    /// Low-latency mode: a lost peer is an error.
    LOW_LATENCY,
    /// Low-latency mode: a lost peer is masked.
    ELASTIC
  }

  /// What a rank is about to do.
  enum Moment {
    /// A dispatch.
    DISPATCH,
    /// A combine.
    COMBINE
  }

  private final EpBuffer buffer;
  private final ExactCalls normal;
  private final ElasticCalls lowLatency;

  private NodeRank(EpBuffer buffer) {
    boolean isNormal = buffer.spec().mode() == Mode.NORMAL;
    this.buffer = buffer;
    this.normal = isNormal ? new ExactCalls(buffer) : null;
    this.lowLatency = isNormal ? null : new ElasticCalls(buffer);
  }

  /// Opens a buffer that up to 4 ranks can share; collective.
  ///
  /// @param group of the ranks
  /// @param kind of calls
  /// @param timeout of every wait
  static NodeRank open(ProcessGroup group, Kind kind, Duration timeout) {
    return new NodeRank(EpBuffer.open(Engines.open("host"), spec(kind, timeout), group));
  }

  private static BufferSpec spec(Kind kind, Duration timeout) {
    BufferSpecBuilder spec =
        BufferSpec.builder().topk(4).numExperts(12).hostTimeout(timeout).gpuTimeout(timeout);
    return switch (kind) {
      case NORMAL -> spec.numMaxTokensPerRank(48).hidden(2048).build();
      case LOW_LATENCY, ELASTIC ->
          spec.mode(Mode.LOW_LATENCY)
              .enableShrink(kind == Kind.ELASTIC)
              .numMaxTokensPerRank(16)
              .hidden(2048)
              .windows(1, 1)
              .build();
    };
  }

  /// Dispatches and combines, both checked; collective.
  ///
  /// @param seed equal on all ranks
  void run(long seed) {
    run(seed, _ -> {});
  }

  /// Dispatches and combines, both checked; collective.
  ///
  /// @param seed equal on all ranks
  /// @param before told what comes next
  void run(long seed, Consumer<Moment> before) {
    before.accept(Moment.DISPATCH);
    if (normal != null) {
      try (DispatchResult got = normal.dispatch(seed)) {
        before.accept(Moment.COMBINE);
        normal.combine(seed, got);
      }
    } else {
      try (LowLatencyDispatchResult got = lowLatency.dispatch(seed)) {
        before.accept(Moment.COMBINE);
        lowLatency.combine(seed, got);
      }
    }
  }

  /// {@return true if all these are masked here}
  ///
  /// @param peers ranks
  boolean masks(List<Integer> peers) {
    boolean[] masks = buffer.queryMask();
    return peers.stream().allMatch(peer -> masks[peer]);
  }

  /// {@return true if no rank is masked here}
  boolean masksNobody() {
    return IntStream.range(0, buffer.group().size()).noneMatch(peer -> masks(List.of(peer)));
  }

  /// Cleans masks until no rank masks another one; collective. TCP rests for seconds before it
  /// tries a link again, longer than a handshake may wait.
  void cleanMasks() {
    int tries = 0;
    boolean again = true;
    while (again) {
      assertThat(tries++).as("tries to come back").isLessThan(MAX_TRIES);
      buffer.cleanMask();
      again = Together.any(buffer.group(), !masksNobody());
    }
    System.out.println("came back: tries=" + tries);
  }

  /// {@return the buffer}
  EpBuffer buffer() {
    return buffer;
  }

  @Override
  public void close() {
    buffer.close();
  }
}
