package io.crossdock.verify.contract.lowlatency;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.CombineFormat;
import io.crossdock.core.LowLatencyCompletion;
import io.crossdock.core.LowLatencyFormat;
import io.crossdock.core.group.GroupOptions;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.CombineChoice;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.DispatchChoice;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Experts;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Place;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Routing;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Sizes;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Style;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Values;
import io.crossdock.verify.harness.EngineUnderTest;
import io.crossdock.verify.harness.OnCuda;
import io.crossdock.verify.harness.RankThreads;
import io.crossdock.verify.harness.RequiresGpu;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Small cases that reach every path of the low-latency kernels, with time enough for
/// compute-sanitizer.
@OnCuda
@Tag(RequiresGpu.SMALL)
class GpuLowLatencySmallTest {
  private static final Duration PATIENCE = Duration.ofMinutes(2);
  private static final LowLatencyCompletion NOW = LowLatencyCompletion.SYNCHRONOUS;
  private static final LowLatencyCompletion ASYNC = LowLatencyCompletion.ASYNC_FINISH;
  private static final LowLatencyCompletion HOOK = LowLatencyCompletion.RECV_HOOK;

  private static final Style PLAIN = new Style(true, false);
  private static final Style STRIDED = new Style(false, true);

  static List<LowLatencyCase> cases() {
    CombineChoice plain = combine(CombineFormat.BF16, NOW, Place.TENSOR);
    CombineChoice inPlace = combine(CombineFormat.BF16, HOOK, Place.COMBINE_BUFFER);
    CombineChoice pulled = combine(CombineFormat.BF16, NOW, Place.COMBINE_BUFFER);
    CombineChoice encoded = combine(CombineFormat.LOGFMT10, HOOK, Place.TENSOR);
    CombineChoice late = combine(CombineFormat.LOGFMT10, ASYNC, Place.TENSOR_AFTER_CLOSE);
    return List.of(
        test(256, dispatch(LowLatencyFormat.FP8, NOW), plain, PLAIN, 13),
        test(40, dispatch(LowLatencyFormat.BF16, HOOK), encoded, STRIDED, 5),
        test(640, dispatch(LowLatencyFormat.FP8_UE8M0, HOOK), inPlace, STRIDED, 13, 7),
        test(1032, dispatch(LowLatencyFormat.BF16, NOW), late, PLAIN, 9, 0),
        test(384, dispatch(LowLatencyFormat.FP8_POWER_OF_TWO, ASYNC), pulled, PLAIN, 13, 2, 9),
        test(8, dispatch(LowLatencyFormat.BF16, ASYNC), pulled, PLAIN, 0, 13, 3),
        test(128, dispatch(LowLatencyFormat.FP8, HOOK), encoded, PLAIN, 13, 1, 0, 8),
        test(2048, dispatch(LowLatencyFormat.BF16, HOOK), plain, STRIDED, 3, 2, 6, 1));
  }

  private static DispatchChoice dispatch(LowLatencyFormat format, LowLatencyCompletion when) {
    return new DispatchChoice(format, when, true, true, false, 2);
  }

  private static CombineChoice combine(
      CombineFormat format, LowLatencyCompletion when, Place place) {
    return new CombineChoice(format, when, place, true, true, false, true, Experts.SCALED);
  }

  private static LowLatencyCase test(
      int hidden, DispatchChoice dispatch, CombineChoice combine, Style style, Integer... tokens) {
    Sizes sizes = new Sizes(List.of(tokens), 13, 2, hidden, tokens.length * 3, 3);
    return new LowLatencyCase(
        13, sizes, Routing.SOME_MASKED, Values.EDGES, dispatch, combine, style);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("cases")
  @Timeout(value = 190, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
  void smallCase(LowLatencyCase test) throws Exception {
    BufferSpec spec =
        test.plainSpec().capacityRows(16).hostTimeout(PATIENCE).gpuTimeout(PATIENCE).build();
    LowLatencyExpected expected = LowLatencyExpected.of(test);
    RankThreads.run(
        test.numRanks(),
        GroupOptions.defaults().withTimeout(PATIENCE),
        PATIENCE.multipliedBy(3).dividedBy(2),
        group -> LowLatencyRun.runInStep(EngineUnderTest.open(), expected, spec, group));
  }
}
