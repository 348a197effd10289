package io.crossdock.verify.faults;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.BufferSpecBuilder;
import io.crossdock.core.CombineInput;
import io.crossdock.core.DispatchHandle;
import io.crossdock.core.DispatchResult;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.Layout;
import io.crossdock.core.RefusedException;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.harness.EngineUnderTest;
import io.crossdock.verify.harness.ExactCalls;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.time.Duration;

/// One rank that makes wrong calls: its buffer, a live lease from before the fault, and calls after
/// it whose results are compared byte by byte.
///
/// Confined to the thread of the rank.
final class FaultRank implements AutoCloseable {
  static final int HIDDEN = 256;
  static final int TOPK = 3;
  static final int MAX_TOKENS = 8;
  static final Duration TIMEOUT = Duration.ofSeconds(20);
  private static final long LEASE_SEED = 71;
  private static final int NUM_AFTER = 3;

  private final ProcessGroup group;
  private final EpBuffer buffer;
  private final ExactCalls calls;
  private DispatchResult lease;
  private CombineInput outputs;
  private byte[] leased;

  /// A call; whatever it throws is the outcome.
  @FunctionalInterface
  interface Call {
    void make(FaultRank rank) throws Exception;
  }

  private FaultRank(ProcessGroup group, EpBuffer buffer) {
    this.group = group;
    this.buffer = buffer;
    this.calls = new ExactCalls(buffer);
  }

  /// {@return a small spec that 1, 2 and 3 ranks can share, with two windows of each kind}
  static BufferSpecBuilder spec() {
    return BufferSpec.builder()
        .numMaxTokensPerRank(MAX_TOKENS)
        .hidden(HIDDEN)
        .topk(TOPK)
        .numExperts(12)
        .hostTimeout(TIMEOUT);
  }

  /// Opens a buffer; collective.
  static FaultRank open(ProcessGroup group, BufferSpec spec) {
    return new FaultRank(group, EpBuffer.open(EngineUnderTest.open(), spec, group));
  }

  /// Opens a buffer of [#spec()]; collective.
  static FaultRank open(ProcessGroup group) {
    return open(group, spec().build());
  }

  int rank() {
    return group.rank();
  }

  ProcessGroup group() {
    return group;
  }

  EpBuffer buffer() {
    return buffer;
  }

  ExactCalls calls() {
    return calls;
  }

  /// {@return this rank's batch, as good as any}
  ExactCalls.Batch batch() {
    return calls.batch(LEASE_SEED + 1);
  }

  /// {@return the layout of [#batch()]}
  Layout layout() {
    return calls.layout(batch());
  }

  /// A dispatch with nothing wrong; closes its result.
  void goodDispatch() {
    buffer.dispatch(batch().input(), layout()).close();
  }

  /// A combine of the live lease with nothing wrong.
  void goodCombine() {
    buffer.combine(outputs, lease.handle());
  }

  /// {@return outputs that fit the live lease}
  CombineInput outputs() {
    return outputs;
  }

  /// {@return the handle of the live lease}
  DispatchHandle handle() {
    return lease.handle();
  }

  /// Takes a result that stays open; collective.
  void takeLease() {
    DispatchResult result = calls.dispatch(LEASE_SEED);
    outputs = calls.outputs(result);
    leased = bytes(result);
    lease = result;
  }

  private byte[] bytes(DispatchResult result) {
    MemorySegment memory = buffer.memory().toHost(result.recvX()).segment();
    return memory.asSlice(0, result.recvX().spanBytes()).toArray(ValueLayout.JAVA_BYTE);
  }

  /// Asserts that nobody wrote into the live lease.
  void checkLease() {
    assertThat(bytes(lease)).as("bytes of the live lease, rank=%d", rank()).isEqualTo(leased);
  }

  /// Gives the lease of [#takeLease()] back.
  void endLease() {
    lease.close();
    lease = null;
  }

  /// Resets the buffer, which ends the lease if there is one, whole to the last; collective.
  void reset() {
    buffer.reset();
    if (lease != null) {
      checkLease();
      endLease();
    }
  }

  /// One rank makes a wrong call while the others make a right one: it gets its own exception, the
  /// others are told its reason, at once; the lease keeps its bytes and the next calls are exact.
  void expectRefusal(int guilty, Expected expected, Call wrong, Call right) throws Exception {
    expectRefusal(guilty, expected, wrong, right, rank -> {});
  }

  /// As the other, with something to do on the guilty rank before the buffer is used again.
  void expectRefusal(int guilty, Expected expected, Call wrong, Call right, Call after)
      throws Exception {
    takeLease();
    long start = System.nanoTime();
    Throwable thrown = catchThrowable(() -> (rank() == guilty ? wrong : right).make(this));
    Duration took = Duration.ofNanos(System.nanoTime() - start);
    if (rank() == guilty) {
      expected.check(thrown);
    } else {
      assertThat(thrown).isExactlyInstanceOf(RefusedException.class);
      assertThat(((RefusedException) thrown).peer()).isEqualTo(guilty);
    }
    assertThat(took).as("time until the exception").isLessThan(TIMEOUT.dividedBy(2));
    String reason = reasonOf(guilty, thrown);
    assertThat(thrown).hasMessageContaining(reason);
    if (rank() == guilty) {
      after.make(this);
    }
    checkUsable();
  }

  private String reasonOf(int guilty, Throwable thrown) {
    String mine = thrown == null || thrown.getMessage() == null ? "" : thrown.getMessage();
    byte[][] all = group.allGather(mine.getBytes(StandardCharsets.UTF_8));
    return new String(all[guilty], StandardCharsets.UTF_8);
  }

  /// Every rank makes the call and gets the same exception; the lease keeps its bytes and the next
  /// calls are exact.
  void expectOnAll(Expected expected, Call wrong) throws Exception {
    takeLease();
    expected.check(catchThrowable(() -> wrong.make(this)));
    checkUsable();
  }

  /// Asserts that the lease is whole and that calls are exact, with the lease and without it.
  void checkUsable() {
    checkLease();
    calls.run(LEASE_SEED + 2);
    calls.combine(LEASE_SEED, lease);
    checkLease();
    endLease();
    for (int call = 0; call < NUM_AFTER; call++) {
      calls.run(LEASE_SEED + 3 + call);
    }
  }

  /// What a wrong call throws.
  ///
  /// @param type exactly this class
  /// @param fragment part of the message
  record Expected(Class<? extends Throwable> type, String fragment) {
    void check(Throwable thrown) {
      assertThat(thrown).isExactlyInstanceOf(type).hasMessageContaining(fragment);
    }
  }

  @Override
  public void close() {
    buffer.close();
  }
}
