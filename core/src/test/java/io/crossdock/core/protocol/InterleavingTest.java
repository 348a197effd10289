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

/// Runs three ranks in all orders, and in random ones, and shows that the scheduler finds out what
/// a broken rule does.
class InterleavingTest {
  private static final Rules RULES = new Rules();
  private static final int NUM_CALLS = 40;

  static List<Scenario> scenarios() {
    return Scenarios.all();
  }

  static List<BrokenRules.Mutant> brokenRules() {
    return BrokenRules.all();
  }

  @ParameterizedTest
  @MethodSource("scenarios")
  @Execution(ExecutionMode.CONCURRENT)
  void keepsItsPromisesInEveryOrder(Scenario scenario) {
    Explorer.Result result = Explorer.explore(scenario, RULES);
    assertThat(result.violation()).isNull();
    assertThat(result.numStates()).isGreaterThan(100);
  }

  @ParameterizedTest
  @MethodSource("brokenRules")
  void findsABrokenRuleInAShortScenario(BrokenRules.Mutant mutant) {
    assertThat(Explorer.explore(mutant.scenario(), mutant.rules()).violation())
        .contains(mutant.complaint());
  }

  @ParameterizedTest
  @MethodSource("brokenRules")
  @Execution(ExecutionMode.CONCURRENT)
  void findsABrokenRuleInRandomScripts(BrokenRules.Mutant mutant) {
    assertThat(LongStream.range(0, 200))
        .anyMatch(seed -> walk(seed, mutant.rules()).violation() != null);
  }

  @Test
  @Execution(ExecutionMode.CONCURRENT)
  void keepsItsPromisesInRandomScripts() {
    walkFrom(System.nanoTime(), 2_000);
  }

  @Test
  @Tag("long")
  void keepsItsPromisesInManyRandomScripts() {
    walkFrom(System.nanoTime(), 200_000);
  }

  private static void walkFrom(long firstSeed, int numScripts) {
    for (long seed = firstSeed; seed < firstSeed + numScripts; seed++) {
      assertThat(walk(seed, RULES).violation()).as("seed=%d", seed).isNull();
    }
  }

  /// One seed decides on the script and on the order.
  private static Explorer.Result walk(long seed, Rules rules) {
    return Explorer.walk(RandomScenarios.of(seed, NUM_CALLS), rules, new Random(seed));
  }

  /// A state that misses something would send the scheduler to places that do not exist.
  @Test
  void savesAllThatChanges() {
    World world = new World(Scenarios.timeOutInRounds(), RULES);
    StateCodec codec = new StateCodec(world);
    int[] choices = new int[world.maxChoices()];
    long[] before = codec.save();
    Random random = new Random(7);
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
