package io.crossdock.core.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Random;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Runs the ranks of low-latency mode in all orders, and in random ones, and shows that the
/// scheduler finds out what a broken rule does.
class LowLatencyInterleavingTest {
  private static final LowLatencyRules RULES = new LowLatencyRules();
  private static final int NUM_CALLS = 40;

  static List<LowLatencyScenario> scenarios() {
    return LowLatencyScenarios.all();
  }

  static List<LowLatencyBrokenRules.Mutant> brokenRules() {
    return LowLatencyBrokenRules.all();
  }

  /// In random scripts all may give up: a masked rank which is not told is never stuck, and a
  /// living one may be given up.
  static List<LowLatencyBrokenRules.Mutant> rulesBrokenAtRandom() {
    return brokenRules().stream()
        .filter(mutant -> mutant.rules().looksForMasks() && mutant.rules().sparesWhoWaits())
        .toList();
  }

  @ParameterizedTest
  @MethodSource("scenarios")
  @Execution(ExecutionMode.CONCURRENT)
  void keepsItsPromisesInEveryOrder(LowLatencyScenario scenario) {
    Explorer.Result result = explore(scenario, RULES);
    assertThat(result.violation()).isNull();
    assertThat(result.numStates()).isGreaterThan(100);
  }

  @ParameterizedTest
  @MethodSource("brokenRules")
  void findsABrokenRule(LowLatencyBrokenRules.Mutant mutant) {
    assertThat(explore(mutant.scenario(), mutant.rules()).violation()).contains(mutant.complaint());
  }

  @ParameterizedTest
  @MethodSource("rulesBrokenAtRandom")
  void findsABrokenRuleInRandomScripts(LowLatencyBrokenRules.Mutant mutant) {
    assertThat(LongStream.range(0, 200))
        .anyMatch(seed -> walk(seed, mutant.rules()).violation() != null);
  }

  private static Explorer.Result explore(LowLatencyScenario scenario, LowLatencyRules rules) {
    return Explorer.explore(scenario, new LowLatencyWorld(scenario, rules));
  }

  @Test
  @Execution(ExecutionMode.CONCURRENT)
  void keepsItsPromisesInRandomScripts() {
    walkFrom(System.nanoTime(), 600);
  }

  @Test
  @Tag("long")
  void keepsItsPromisesInManyRandomScripts() {
    walkFrom(System.nanoTime(), 100_000);
  }

  private static void walkFrom(long firstSeed, int numScripts) {
    for (long seed = firstSeed; seed < firstSeed + numScripts; seed++) {
      assertThat(walk(seed, RULES).violation()).as("seed=%d", seed).isNull();
    }
  }

  /// One seed decides on the script and on the order.
  private static Explorer.Result walk(long seed, LowLatencyRules rules) {
    LowLatencyScenario scenario = LowLatencyRandomScenarios.of(seed, NUM_CALLS);
    return Explorer.walk(scenario, new LowLatencyWorld(scenario, rules), new Random(seed));
  }

  /// A state that misses something would send the scheduler to places that do not exist.
  @Test
  void savesAllThatChanges() {
    for (long seed = 0; seed < 20; seed++) {
      LowLatencyScenario scenario = LowLatencyRandomScenarios.of(seed, 6);
      checkCodec(new LowLatencyWorld(scenario, RULES), new Random(seed));
    }
  }

  private static void checkCodec(LowLatencyWorld world, Random random) {
    StateCodec codec = new StateCodec(world);
    int[] choices = new int[world.maxChoices()];
    long[] before = codec.save();
    for (int count = world.choices(choices); count > 0; count = world.choices(choices)) {
      int taken = choices[random.nextInt(count)];
      world.take(taken);
      long[] after = codec.save();
      codec.load(before);
      assertThat(codec.save()).isEqualTo(before);
      world.take(taken);
      assertThat(codec.save()).isEqualTo(after);
      before = after;
    }
  }
}
