package io.crossdock.verify.contract;

import io.crossdock.core.group.GroupOptions;
import io.crossdock.verify.harness.EngineUnderTest;
import io.crossdock.verify.harness.RankProcesses;
import io.crossdock.verify.harness.RankThreads;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// Many random calls on one buffer: short in every check, 10 000 in the long one.
class SoakTest {
  private static final long SEED = Long.getLong("crossdock.seed", 20_261_125);

  private static List<String> arguments(int calls) {
    return List.of(EngineUnderTest.NAME, Long.toString(SEED), Integer.toString(calls));
  }

  @Test
  void someCallsInThreads() throws Exception {
    RankThreads.run(3, group -> new SoakBody(arguments(150)).run(group));
  }

  @Test
  @Tag("long")
  void tenThousandCallsInThreads() throws Exception {
    GroupOptions patient = GroupOptions.defaults().withTimeout(Duration.ofMinutes(45));
    RankThreads.run(4, patient, group -> new SoakBody(arguments(10_000)).run(group));
  }

  @Test
  @Tag("long")
  void tenThousandCallsInProcesses() throws Exception {
    try (RankProcesses ranks = RankProcesses.start(3, SoakBody.class, arguments(10_000))) {
      ranks.awaitSuccess(Duration.ofMinutes(90));
    }
  }
}
