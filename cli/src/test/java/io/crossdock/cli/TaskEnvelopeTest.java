package io.crossdock.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.core.CrossdockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class TaskEnvelopeTest {
  @TempDir private Path folder;

  static List<RankTask> tasks() {
    return List.of(
        new BenchTask(
            "host",
            1,
            128,
            8,
            2,
            4,
            "zipf:1",
            ReplayTask.RowType.fp8,
            3,
            7,
            true,
            Long.MIN_VALUE,
            new BenchTask.GpuOptions(BenchTask.Cache.flushed, BenchTask.Graph.replayed),
            new BenchTask.NetworkOptions(5)),
        new ReplayTask(
            "/a b/ü.safetensors",
            "host",
            ReplayTask.Expert.moe,
            ReplayTask.RowType.bf16,
            5,
            new ReplayTask.Options(ReplayTask.Place.owned, true, 16, 3_000_000_000L, true, 2, 9)),
        new LowLatencyBenchTask(
            LowLatencySummaryTest.summary(false).task().base(), List.of(1, 8), true, false, false),
        new LowLatencyOverlapTask(
            new LowLatencyBenchTask(
                LowLatencySummaryTest.summary(false).task().base(), List.of(1), false, true, true),
            250,
            30),
        new LowLatencyFloorTask("host", 7168, 10),
        new LowLatencyReplayTask(
            "/a b/ü.safetensors",
            "host",
            ReplayTask.Expert.identity,
            ReplayTask.RowType.fp8,
            6,
            new LowLatencyReplayTask.Options(true, false, true, true, true, 3)));
  }

  @ParameterizedTest
  @MethodSource("tasks")
  void aTaskSurvivesTheWayThroughAFile(RankTask task) {
    Path file = folder.resolve("task.json");
    Json.write(file, new TaskEnvelope(task.getClass().getName(), Json.tree(task)));
    assertThat(Json.read(file, TaskEnvelope.class).open()).isEqualTo(task);
  }

  @ParameterizedTest
  @ValueSource(strings = {"java.lang.Runtime", "io.crossdock.cli.Job", "", "ReplayTask"})
  void onlyKnownTasksAreOpened(String type) {
    TaskEnvelope envelope = new TaskEnvelope(type, Json.tree(List.of()));
    assertThatThrownBy(envelope::open)
        .isInstanceOf(CrossdockException.class)
        .hasMessageContaining("type=" + type);
  }

  @Test
  void aFileThatIsNoJsonIsTold() throws Exception {
    Path file = Files.writeString(folder.resolve("task.json"), "{");
    assertThatThrownBy(() -> Json.read(file, TaskEnvelope.class))
        .isInstanceOf(CrossdockException.class)
        .hasMessageContaining("file=" + file);
    assertThatThrownBy(() -> Json.write(folder, List.of()))
        .isInstanceOf(CrossdockException.class)
        .hasMessageContaining("file=" + folder);
  }
}
