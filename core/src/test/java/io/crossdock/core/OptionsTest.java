package io.crossdock.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Configs, options and inputs of calls: what they hold, what they refuse.
class OptionsTest {
  private static final EventOverlap EVENT = EventOverlap.COMPLETED;
  private static final Tensor ROWS =
      Tensor.of(MemorySegment.ofArray(new byte[32]), DType.BF16, 2, 8);

  @Property
  void thereIsARecommendationForAnyNumberOfRanks(@ForAll @IntRange(min = 1) int numRanks) {
    DispatchConfig dispatch = DispatchConfig.recommended(numRanks);
    CombineConfig combine = CombineConfig.recommended(numRanks);
    assertThat(dispatch.numSms()).isZero();
    assertThat(combine.numSms()).isZero();
    assertThat(dispatch.chunkRows()).isBetween(1, 1024);
    assertThat(combine.chunkRows()).isBetween(1, 1024);
    assertThat(combine.stages()).isBetween(1, 4);
  }

  @ParameterizedTest
  @CsvSource({"-1, 1, 1, 1", "0, 0, 1, 1", "0, 1, 0, 1", "0, 65, 1, 1", "0, 1, 1, 0"})
  void configsOutOfRangeAreRefused(int numSms, int stages, int chunkRows, int networkChunkRows) {
    String facts =
        "numSms=%d, stages=%d, chunkRows=%d, networkChunkRows=%d"
            .formatted(numSms, stages, chunkRows, networkChunkRows);
    assertThatThrownBy(() -> new DispatchConfig(numSms, stages, chunkRows, networkChunkRows))
        .isInstanceOf(InvalidInputException.class)
        .hasMessage("dispatch config is invalid: " + facts);
    assertThatThrownBy(() -> new CombineConfig(numSms, stages, chunkRows, networkChunkRows))
        .isInstanceOf(InvalidInputException.class)
        .hasMessage("combine config is invalid: " + facts);
  }

  @Test
  void configsTakeAnotherNumberOfWorkersAndKeepTheRest() {
    assertThat(new DispatchConfig(1, 2, 3).withNumSms(7)).isEqualTo(new DispatchConfig(7, 2, 3));
    assertThat(new CombineConfig(1, 2, 3).withNumSms(7)).isEqualTo(new CombineConfig(7, 2, 3));
    assertThat(new DispatchConfig(1, 2, 3).withNetworkChunkRows(5).withNumSms(7))
        .isEqualTo(new DispatchConfig(7, 2, 3, 5));
    assertThat(new CombineConfig(1, 2, 3).withNetworkChunkRows(5).withNumSms(7))
        .isEqualTo(new CombineConfig(7, 2, 3, 5));
  }

  @Test
  void allocatingOnTheCommStreamNeedsAnEventAndAsyncFinish() {
    CallOptions ready = CallOptions.DEFAULT.after(EVENT).async().allocateOnCommStream();
    assertThat(ready)
        .isEqualTo(
            new CallOptions(
                Optional.of(EVENT), Completion.ASYNC_FINISH, AllocationStream.COMM_STREAM));
    assertThatThrownBy(() -> CallOptions.DEFAULT.allocateOnCommStream())
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("previousEvent=false, completion=SYNCHRONOUS");
    assertThatThrownBy(() -> CallOptions.DEFAULT.after(EVENT).allocateOnCommStream())
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("previousEvent=true, completion=SYNCHRONOUS");
    assertThatThrownBy(() -> CallOptions.DEFAULT.async().allocateOnCommStream())
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("previousEvent=false, completion=ASYNC_FINISH");
  }

  @Test
  void dispatchOptionsKeepWhatIsNotChanged() {
    CallOptions call = CallOptions.DEFAULT.async();
    DispatchConfig config = new DispatchConfig(2, 3, 4);
    Placement owned = Placement.owned(Arena.ofAuto());
    DispatchOptions all =
        DispatchOptions.DEFAULT
            .withCall(call)
            .withConfig(config)
            .withPlacement(owned)
            .withExpertAlignment(16)
            .withNumWorstTokens(9);
    assertThat(all).isEqualTo(new DispatchOptions(call, Optional.of(config), owned, 16, 9));
    assertThat(DispatchOptions.DEFAULT)
        .isEqualTo(
            new DispatchOptions(CallOptions.DEFAULT, Optional.empty(), Placement.BORROWED, 1, 0));
  }

  @Test
  void dispatchOptionsOutOfRangeAreRefused() {
    assertThatThrownBy(() -> DispatchOptions.DEFAULT.withExpertAlignment(0))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("expertAlignment=0");
    assertThatThrownBy(() -> DispatchOptions.DEFAULT.withNumWorstTokens(-1))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("numWorstTokens=-1");
  }

  @Test
  void combineOptionsKeepWhatIsNotChanged() {
    CallOptions call = CallOptions.DEFAULT.async();
    CombineConfig config = new CombineConfig(2, 3, 4);
    Arena arena = Arena.ofAuto();
    CombineOptions all =
        CombineOptions.DEFAULT.withAllocator(arena).withCall(call).withConfig(config);
    assertThat(all).isEqualTo(new CombineOptions(call, Optional.of(config), Optional.of(arena)));
  }

  @Test
  void aCombineTakesAtMostTwoBiases() {
    CombineInput two = CombineInput.of(ROWS).withTopkWeights(ROWS).withBias(ROWS, ROWS);
    assertThat(two.bias()).hasSize(2);
    assertThat(two.topkWeights()).contains(ROWS);
    assertThat(CombineInput.of(ROWS).bias()).isEmpty();
    assertThatThrownBy(() -> two.withBias(ROWS, ROWS, ROWS))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("numBias=3");
  }

  @Test
  void aDispatchInputIsBuiltFromItsParts() {
    DispatchInput all = DispatchInput.of(ROWS, ROWS, ROWS).withScales(ROWS);
    assertThat(all.scales()).contains(ROWS);
    assertThat(DispatchInput.rows(ROWS).topkIdx()).isEmpty();
    assertThat(DispatchInput.rows(ROWS).withTopkIdx(ROWS).topkWeights()).isEmpty();
    assertThat(DispatchInput.rows(ROWS).withTopkIdx(ROWS).topkIdx()).contains(ROWS);
  }
}
