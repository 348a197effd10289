package io.crossdock.verify.faults;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.BufferSpecBuilder;
import io.crossdock.core.DType;
import io.crossdock.core.Engine;
import io.crossdock.core.EngineUnavailableException;
import io.crossdock.core.Engines;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.WindowAllocationException;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.harness.RankThreads;
import java.time.Duration;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Buffers that cannot be opened: every rank hears why, at once, and the group can open another.
class OpenErrorsTest {
  private static final String DIFFER = "buffer specs differ between ranks: rank=";

  /// How the last rank opens, and what it and the others are told.
  ///
  /// @param name of the test
  /// @param open of the last rank
  /// @param mine what the last rank is told
  /// @param theirs what the others are told
  record Opening(String name, Opener open, FaultRank.Expected mine, FaultRank.Expected theirs) {
    @Override
    public String toString() {
      return name;
    }
  }

  /// Opens a buffer.
  interface Opener {
    EpBuffer open(ProcessGroup group);
  }

  @ParameterizedTest
  @MethodSource("openings")
  void oneRankDiffersOfTwo(Opening opening) throws Exception {
    differs(2, opening);
  }

  @ParameterizedTest
  @MethodSource("openings")
  void oneRankDiffersOfThree(Opening opening) throws Exception {
    differs(3, opening);
  }

  private static void differs(int numRanks, Opening opening) throws Exception {
    RankThreads.run(
        numRanks,
        group -> {
          boolean last = group.rank() == numRanks - 1;
          Opener opener = last ? opening.open : OpenErrorsTest::usual;
          long start = System.nanoTime();
          Throwable thrown = catchThrowable(() -> opener.open(group));
          Duration took = Duration.ofNanos(System.nanoTime() - start);
          (last ? opening.mine : opening.theirs).check(thrown);
          assertThat(took).isLessThan(Duration.ofSeconds(20));
          checkOpens(group);
        });
  }

  private static EpBuffer usual(ProcessGroup group) {
    return EpBuffer.open(host(), FaultRank.spec().build(), group);
  }

  private static Engine host() {
    return Engines.open("host");
  }

  private static void checkOpens(ProcessGroup group) throws Exception {
    try (FaultRank rank = FaultRank.open(group)) {
      rank.takeLease();
      rank.checkUsable();
    }
  }

  static Stream<Opening> openings() {
    return Stream.of(
        differing("another hidden", s -> s.hidden(128)),
        differing("more tokens", s -> s.numMaxTokensPerRank(9)),
        differing("more experts", s -> s.numExperts(24)),
        differing("experts that do not divide", s -> s.numExperts(13)),
        differing("too many experts for a rank", s -> s.numExperts(12288)),
        differing("another topk", s -> s.topk(2)),
        differing("another dtype", s -> s.dtype(DType.F32)),
        differing("more windows", s -> s.windows(3, 2)),
        differing("fewer rows", s -> s.capacityRows(5)),
        differing("another time-out", s -> s.hostTimeout(Duration.ofSeconds(7))),
        missing("spec", group -> EpBuffer.open(host(), null, group)),
        missing("engine", group -> EpBuffer.open(null, FaultRank.spec().build(), group)));
  }

  private static Opening differing(String name, UnaryOperator<BufferSpecBuilder> change) {
    FaultRank.Expected expected = new FaultRank.Expected(InvalidInputException.class, DIFFER);
    BufferSpec spec = change.apply(FaultRank.spec()).build();
    return new Opening(name, group -> EpBuffer.open(host(), spec, group), expected, expected);
  }

  private static Opening missing(String argument, Opener open) {
    return new Opening(
        "no " + argument,
        open,
        new FaultRank.Expected(NullPointerException.class, argument),
        new FaultRank.Expected(InvalidInputException.class, DIFFER));
  }

  @Test
  void everyRankAsksForTheImpossible() throws Exception {
    RankThreads.run(
        3,
        group -> {
          check(group, s -> s.numExperts(13), "numRanks must divide numExperts: numExperts=13");
          check(group, s -> s.numExperts(3 * 1025), "too many experts per rank");
          check(
              group,
              s -> s.capacityRows(Long.MAX_VALUE / 8),
              "windows are larger than memory can be");
          assertThat(catchThrowable(() -> open(group, s -> s.capacityRows(1L << 40))))
              .isInstanceOf(WindowAllocationException.class)
              .hasMessageContaining("neededBytes=");
          checkOpens(group);
        });
  }

  private static void check(
      ProcessGroup group, UnaryOperator<BufferSpecBuilder> change, String fragment) {
    new FaultRank.Expected(InvalidInputException.class, fragment)
        .check(catchThrowable(() -> open(group, change)));
  }

  private static EpBuffer open(ProcessGroup group, UnaryOperator<BufferSpecBuilder> change) {
    return EpBuffer.open(host(), change.apply(FaultRank.spec()).build(), group);
  }

  /// What no group is needed for is checked when the spec is built.
  @Test
  void specsAreChecked() {
    refused("hidden=12", s -> s.hidden(12));
    refused("hidden=0", s -> s.hidden(0));
    refused("topk=0", s -> s.topk(0));
    refused("topk=33", s -> s.topk(33));
    refused("topk=13", s -> s.topk(13));
    refused("numExperts=0", s -> s.numExperts(0));
    refused("numMaxTokensPerRank=-1", s -> s.numMaxTokensPerRank(-1));
    refused("capacityRows=-1", s -> s.capacityRows(-1));
    refused("numReceiveWindows=0", s -> s.windows(0, 1));
    refused("numOutputWindows=0", s -> s.windows(1, 0));
    refused("dtype=FP8_E4M3", s -> s.dtype(DType.FP8_E4M3));
    refused("hostTimeout=PT0S", s -> s.hostTimeout(Duration.ZERO));
    refused("hostTimeout=PT-1S", s -> s.hostTimeout(Duration.ofSeconds(-1)));
    refused("gpuTimeout=PT0S", s -> s.gpuTimeout(Duration.ZERO));
  }

  private static void refused(String fragment, UnaryOperator<BufferSpecBuilder> change) {
    new FaultRank.Expected(InvalidInputException.class, fragment)
        .check(catchThrowable(() -> change.apply(FaultRank.spec()).build()));
  }

  @Test
  void unknownEngine() {
    assertThat(catchThrowable(() -> Engines.open("abacus")))
        .isExactlyInstanceOf(EngineUnavailableException.class)
        .hasMessageContaining("engine=abacus")
        .hasMessageContaining("known=[cuda, host]");
  }
}
