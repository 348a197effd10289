package io.crossdock.verify.contract;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.group.GroupOptions;
import io.crossdock.verify.contract.ContractCase.Flow;
import io.crossdock.verify.contract.ContractCase.Options;
import io.crossdock.verify.contract.ContractCase.Routing;
import io.crossdock.verify.contract.ContractCase.Rows;
import io.crossdock.verify.harness.EngineUnderTest;
import io.crossdock.verify.harness.OnCuda;
import io.crossdock.verify.harness.RankThreads;
import io.crossdock.verify.harness.RequiresGpu;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Small cases that reach every path of the kernels, with time enough for compute-sanitizer.
@OnCuda
@Tag(RequiresGpu.SMALL)
class GpuSmallTest {
  private static final Duration PATIENCE = Duration.ofMinutes(2);

  private static final Options BORROWED =
      new Options(false, true, true, true, true, false, true, 1, 0, 2, 0, 2, 1, 32);
  private static final Options OWNED =
      new Options(true, false, false, true, true, true, false, 4, 0, 1, 0, 1, 3, 7);
  private static final Options IN_ROUNDS =
      new Options(true, false, true, true, true, false, true, 1, 0, 0, 5, 2, 2, 1);
  private static final Options BY_LAYOUT =
      new Options(true, true, true, false, false, false, true, 1, 0, 0, 0, 2, 1, 32);

  /// Sizes known before: `numWorstTokens` for all rows of 13 tokens a rank.
  private static Options worst(int numRanks) {
    return new Options(
        true, false, true, true, true, false, true, 1, 13 * numRanks, 0, 0, 2, 1, 32);
  }

  static List<ContractCase> cases() {
    List<ContractCase> cases = new ArrayList<>();
    cases.add(test(List.of(13), 256, Rows.BF16, Flow.SYNCHRONOUS, BORROWED));
    cases.add(test(List.of(13), 8, Rows.F32, Flow.SYNCHRONOUS, OWNED));
    cases.add(test(List.of(1), 256, Rows.FP8_UE8M0, Flow.INTO, worst(1)));
    cases.add(test(List.of(13), 256, Rows.FP16, Flow.ASYNC, IN_ROUNDS));
    cases.add(test(List.of(13, 7), 256, Rows.BF16, Flow.SYNCHRONOUS, BORROWED));
    cases.add(test(List.of(13, 0), 384, Rows.FP8_F32, Flow.ALLOCATE_ON_COMM_STREAM, OWNED));
    cases.add(test(List.of(1, 13), 40, Rows.BF16, Flow.SYNCHRONOUS, IN_ROUNDS));
    cases.add(test(List.of(5, 13), 128, Rows.FP8_UE8M0, Flow.ASYNC, worst(2)));
    cases.add(test(List.of(13, 2, 9), 1032, Rows.F32, Flow.SYNCHRONOUS, BORROWED));
    cases.add(test(List.of(0, 13, 3), 256, Rows.FP16, Flow.INTO, OWNED));
    cases.add(test(List.of(13, 1, 0, 8), 2048, Rows.BF16, Flow.ASYNC, BY_LAYOUT));
    cases.add(test(List.of(3, 13, 6, 1), 128, Rows.FP8_F32, Flow.SYNCHRONOUS, worst(4)));
    return cases;
  }

  private static ContractCase test(
      List<Integer> tokens, int hidden, Rows rows, Flow flow, Options options) {
    int experts = tokens.size() * 4;
    Routing routing = Routing.SOME_MASKED;
    return new ContractCase(13, tokens, hidden, experts, 4, rows, routing, flow, options);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("cases")
  @Timeout(value = 190, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
  void smallCase(ContractCase test) throws Exception {
    BufferSpec spec = test.plainSpec().hostTimeout(PATIENCE).gpuTimeout(PATIENCE).build();
    GroupOptions options = GroupOptions.defaults().withTimeout(PATIENCE);
    RankThreads.run(
        test.numRanks(),
        options,
        PATIENCE.multipliedBy(3).dividedBy(2),
        group -> ContractRun.runInStep(EngineUnderTest.open(), test, spec, group));
  }
}
