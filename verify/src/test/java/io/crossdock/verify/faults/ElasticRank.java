package io.crossdock.verify.faults;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.BufferSpecBuilder;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.Mode;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.harness.EngineUnderTest;
import java.time.Duration;

/// One rank with a buffer in low-latency mode.
///
/// Confined to the thread of the rank.
///
/// @param group the ranks
/// @param buffer of this rank
/// @param calls that are checked
record ElasticRank(ProcessGroup group, EpBuffer buffer, ElasticCalls calls)
    implements AutoCloseable {

  /// {@return a small spec that shrinks}
  ///
  /// @param numRanks R
  /// @param timeout of waits
  static BufferSpecBuilder spec(int numRanks, Duration timeout) {
    return BufferSpec.builder()
        .mode(Mode.LOW_LATENCY)
        .enableShrink(true)
        .numMaxTokensPerRank(8)
        .hidden(264)
        .topk(3)
        .numExperts(2 * numRanks)
        .windows(1, 1)
        .hostTimeout(timeout)
        .gpuTimeout(timeout);
  }

  /// Opens a buffer; collective.
  static ElasticRank open(ProcessGroup group, BufferSpec spec) {
    EpBuffer buffer = EpBuffer.open(EngineUnderTest.open(), spec, group);
    return new ElasticRank(group, buffer, new ElasticCalls(buffer));
  }

  /// Opens a buffer of [#spec]; collective.
  static ElasticRank open(ProcessGroup group, Duration timeout) {
    return open(group, spec(group.size(), timeout).build());
  }

  int rank() {
    return group.rank();
  }

  /// Asserts which ranks are masked here.
  void expectMasked(int... ranks) {
    boolean[] wanted = new boolean[group.size()];
    for (int masked : ranks) {
      wanted[masked] = true;
    }
    assertThat(buffer.queryMask()).as("masks, rank=%d", rank()).isEqualTo(wanted);
  }

  @Override
  public void close() {
    buffer.close();
  }
}
