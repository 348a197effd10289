package io.crossdock.verify.contract.lowlatency;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.core.CombineFormat;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.LowLatencyCompletion;
import io.crossdock.core.LowLatencyFormat;
import io.crossdock.core.RefusedException;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.cuda.CudaStream;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.CombineChoice;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.DispatchChoice;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Experts;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Place;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Routing;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Sizes;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Style;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Values;
import io.crossdock.verify.contract.lowlatency.LowLatencyRecording.Parts;
import io.crossdock.verify.harness.EngineUnderTest;
import io.crossdock.verify.harness.OnCuda;
import io.crossdock.verify.harness.RankThreads;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Low-latency calls that were captured into CUDA graphs, replayed with other data each time among
/// calls that were not; every result is compared with the routing reference.
@OnCuda
class GpuLowLatencyGraphTest {
  private static final int REPLAYS = Integer.getInteger("crossdock.gpu.replays", 1000);
  private static final int REPLAYS_OF_EACH_KIND = REPLAYS / 20;
  private static final long SEED = Long.getLong("crossdock.seed", 20_261_126);
  private static final List<Integer> TOKENS = List.of(8, 5, 0, 7, 1, 8, 6, 3);
  private static final int MAX_TOKENS = 8;
  private static final int HIDDEN = 256;
  private static final int TOPK = 4;
  private static final int EXPERTS_PER_RANK = 4;

  /// A case whose calls are captured.
  ///
  /// Safe for any thread.
  ///
  /// @param rows format of the dispatch
  /// @param outputs format of the combine
  /// @param completion of both
  /// @param place of the expert outputs
  record Kind(
      LowLatencyFormat rows, CombineFormat outputs, LowLatencyCompletion completion, Place place) {

    LowLatencyExpected expected(long seed, int numRanks, Experts experts) {
      return LowLatencyExpected.of(
          new LowLatencyCase(
              seed,
              sizes(numRanks),
              Routing.SOME_MASKED,
              seed % 2 == 0 ? Values.NORMAL : Values.EDGES,
              new DispatchChoice(rows, completion, false, false, false, 0),
              new CombineChoice(
                  outputs, completion, place, true, false, false, seed % 3 == 0, experts),
              new Style(true, false)));
    }
  }

  private static final Kind PLAIN =
      new Kind(
          LowLatencyFormat.BF16,
          CombineFormat.BF16,
          LowLatencyCompletion.SYNCHRONOUS,
          Place.TENSOR);

  static Sizes sizes(int numRanks) {
    List<Integer> tokens = TOKENS.subList(0, numRanks);
    return new Sizes(tokens, MAX_TOKENS, 0, HIDDEN, numRanks * EXPERTS_PER_RANK, TOPK);
  }

  /// What a rank does with a recording.
  private interface Use {
    void with(LowLatencyRecording recording, EpBuffer buffer);
  }

  private static void record(ProcessGroup group, Kind kind, Parts parts, Use use) {
    Experts experts = parts == Parts.ONE_GRAPH ? Experts.IDENTITY : Experts.SCALED;
    LowLatencyExpected shape = kind.expected(SEED, group.size(), experts);
    try (EpBuffer buffer = EpBuffer.open(EngineUnderTest.open(), shape.test().spec(), group);
        CudaStream stream = CudaStream.create(buffer.memory().device().index());
        LowLatencyRecording recording = new LowLatencyRecording(shape, parts, buffer, stream)) {
      use.with(recording, buffer);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 4, 8})
  void oneGraphOverDispatchExpertsAndCombine(int numRanks) throws Exception {
    RankThreads.run(
        numRanks,
        group ->
            record(
                group,
                PLAIN,
                Parts.ONE_GRAPH,
                (recording, buffer) -> {
                  SplittableRandom common = new SplittableRandom(SEED);
                  for (int i = 0; i < REPLAYS; i++) {
                    if (common.nextInt(4) == 0) {
                      eager(buffer, common.nextInt(50));
                    }
                    recording.replay(PLAIN.expected(SEED + i, numRanks, Experts.IDENTITY));
                  }
                }));
  }

  /// A call of any kind that is no part of a graph.
  private static void eager(EpBuffer buffer, int seed) {
    LowLatencyCase test = LowLatencyCase.random(SEED * 3 + seed, sizes(buffer.group().size()));
    LowLatencyRun.once(LowLatencyExpected.of(test), buffer);
  }

  static Stream<Kind> kinds() {
    LowLatencyCompletion now = LowLatencyCompletion.SYNCHRONOUS;
    LowLatencyCompletion hook = LowLatencyCompletion.RECV_HOOK;
    CombineFormat plain = CombineFormat.BF16;
    CombineFormat encoded = CombineFormat.LOGFMT10;
    return Stream.of(
        new Kind(LowLatencyFormat.FP8, plain, now, Place.TENSOR),
        new Kind(LowLatencyFormat.FP8, plain, hook, Place.COMBINE_BUFFER),
        new Kind(LowLatencyFormat.FP8_POWER_OF_TWO, plain, hook, Place.TENSOR),
        new Kind(LowLatencyFormat.FP8_UE8M0, encoded, now, Place.TENSOR),
        new Kind(LowLatencyFormat.BF16, encoded, hook, Place.TENSOR),
        new Kind(LowLatencyFormat.BF16, plain, hook, Place.COMBINE_BUFFER),
        new Kind(LowLatencyFormat.FP8, plain, now, Place.COMBINE_BUFFER));
  }

  @ParameterizedTest
  @MethodSource("kinds")
  void aGraphForEachHalfOfALayer(Kind kind) throws Exception {
    RankThreads.run(
        3,
        group ->
            record(
                group,
                kind,
                Parts.TWO_GRAPHS,
                (recording, buffer) -> {
                  for (int i = 0; i < REPLAYS_OF_EACH_KIND; i++) {
                    recording.replay(kind.expected(SEED + i, 3, Experts.SCALED));
                    if (i % 7 == 0) {
                      eager(buffer, i);
                    }
                  }
                }));
  }

  /// What one rank sends wrongly is told by the next check, on all ranks, and the graph goes on.
  @ParameterizedTest
  @ValueSource(ints = {1, 3})
  void aReplayThatFails(int numRanks) throws Exception {
    RankThreads.run(
        numRanks,
        group -> record(group, PLAIN, Parts.ONE_GRAPH, GpuLowLatencyGraphTest::failAndGoOn));
  }

  private static void failAndGoOn(LowLatencyRecording recording, EpBuffer buffer) {
    int numRanks = buffer.group().size();
    boolean guilty = buffer.group().rank() == 0;
    for (int round = 0; round < 3; round++) {
      LowLatencyExpected good = PLAIN.expected(SEED + round, numRanks, Experts.IDENTITY);
      recording.replay(good);
      LowLatencyData data = new LowLatencyData(good.test(), buffer.group().rank());
      if (guilty) {
        data.ids[0] = 99;
      }
      recording.load(data);
      assertThatThrownBy(recording::runFirst)
          .isExactlyInstanceOf(guilty ? InvalidInputException.class : RefusedException.class)
          .hasMessageContaining("expert=99");
      assertThatCode(buffer::check).doesNotThrowAnyException();
      eager(buffer, round);
      recording.replay(good);
    }
  }
}
