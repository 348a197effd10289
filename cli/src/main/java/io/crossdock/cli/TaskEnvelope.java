package io.crossdock.cli;

import com.fasterxml.jackson.databind.JsonNode;
import io.crossdock.core.CrossdockException;
import java.util.List;

/// A task on its way to a rank's process.
///
/// Safe for any thread.
///
/// @param type class name of the task
/// @param task its values
record TaskEnvelope(String type, JsonNode task) {
  private static final List<Class<? extends RankTask>> KNOWN =
      List.of(
          ReplayTask.class,
          LowLatencyReplayTask.class,
          BenchTask.class,
          LowLatencyBenchTask.class,
          LowLatencyFloorTask.class,
          LowLatencyOverlapTask.class);

  RankTask open() {
    for (Class<? extends RankTask> known : KNOWN) {
      if (known.getName().equals(type)) {
        return Json.mapper().convertValue(task, known);
      }
    }
    throw new CrossdockException("unknown task: type=" + type);
  }
}
