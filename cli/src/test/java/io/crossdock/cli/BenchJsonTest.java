package io.crossdock.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/// The document `crossdock.bench/1`: every field that others rely on, and no field unknown here.
class BenchJsonTest {
  private static final List<String> FIELDS =
      List.of(
          "schema",
          "mode",
          "engine",
          "transport",
          "launch",
          "ranks",
          "nodes",
          "tokens",
          "hidden",
          "experts",
          "topk",
          "dtype",
          "sms",
          "placement",
          "iterations",
          "verified",
          "pids",
          "window_bytes",
          "dispatch",
          "combine",
          "limit",
          "host");
  private static final List<String> PHASE =
      List.of("us_median", "us_p99", "gbps_nvl", "gbps_rdma", "gbps_wire");
  private static final List<String> LIMIT = List.of("copy_gbps", "dispatch_ratio", "combine_ratio");
  private static final List<String> HOST = List.of("cpu", "gpu", "jdk", "ucx", "commit");

  private static final Set<String> MORE = Set.of("placements", "peer");
  private static final Set<String> MORE_ON_GPU =
      Set.of("placements", "l2", "dispatch_phase", "checked_tokens");
  private static final Set<String> MORE_OF_PHASE = Set.of("ratio");
  private static final Set<String> MORE_OF_LIMIT = Set.of("copy_combine_gbps");

  private final JsonNode document =
      Json.tree(
          new BenchJson(SummaryTest.summary(), LaunchMode.processes, List.of(11L, 12L)).toMap());

  @Test
  void everyFieldIsThereAndNoOther() {
    check(document, FIELDS, MORE);
    check(document.get("dispatch"), PHASE, MORE_OF_PHASE);
    check(document.get("combine"), PHASE, MORE_OF_PHASE);
    check(document.get("limit"), LIMIT, MORE_OF_LIMIT);
    check(document.get("host"), HOST, Set.of());
  }

  private static void check(JsonNode node, List<String> fields, Set<String> more) {
    List<String> names =
        new ArrayList<>(List.copyOf(node.propertyStream().map(e -> e.getKey()).toList()));
    assertThat(names).containsAll(fields);
    names.removeAll(more);
    assertThat(names).containsExactlyInAnyOrderElementsOf(fields);
  }

  @Test
  void valuesAreThoseOfTheRun() {
    assertThat(document.get("schema").textValue()).isEqualTo("crossdock.bench/1");
    assertThat(document.get("engine").textValue()).isEqualTo("host");
    assertThat(document.get("transport").textValue()).isEqualTo("shm");
    assertThat(document.get("launch").textValue()).isEqualTo("processes");
    assertThat(document.get("ranks").intValue()).isEqualTo(2);
    assertThat(document.get("nodes").intValue()).isEqualTo(1);
    assertThat(document.get("tokens").intValue()).isEqualTo(8);
    assertThat(document.get("hidden").intValue()).isEqualTo(1000);
    assertThat(document.get("experts").intValue()).isEqualTo(4);
    assertThat(document.get("topk").intValue()).isEqualTo(2);
    assertThat(document.get("dtype").textValue()).isEqualTo("fp8");
    assertThat(document.get("sms").intValue()).isEqualTo(2);
    assertThat(document.get("iterations").intValue()).isEqualTo(3);
    assertThat(document.get("verified").booleanValue()).isTrue();
    assertThat(document.get("pids")).extracting(JsonNode::longValue).containsExactly(11L, 12L);
    assertThat(document.at("/dispatch/us_median").doubleValue()).isEqualTo(400);
    assertThat(document.at("/dispatch/us_p99").doubleValue()).isEqualTo(500);
    assertThat(document.at("/dispatch/gbps_rdma").doubleValue()).isZero();
    assertThat(document.at("/combine/us_median").doubleValue()).isEqualTo(90);
    assertThat(document.at("/limit/dispatch_ratio").doubleValue()).isEqualTo(0.625);
    assertThat(document.at("/host/gpu").isNull()).isTrue();
    assertThat(document.at("/host/jdk").textValue()).isEqualTo(Runtime.version().toString());
  }

  @Test
  void onGpuTheDocumentSaysMore() {
    JsonNode gpu =
        Json.tree(new BenchJson(SummaryTest.gpuSummary(), LaunchMode.threads, List.of()).toMap());
    check(gpu, FIELDS, MORE_ON_GPU);
    check(gpu.get("host"), HOST, Set.of());
    assertThat(gpu.get("l2").textValue()).isEqualTo("warm");
    assertThat(gpu.get("dispatch_phase").textValue()).isEqualTo("dispatch_cached");
    assertThat(gpu.get("checked_tokens").intValue()).isEqualTo(8);
    assertThat(gpu.get("sms").intValue()).isEqualTo(24);
    assertThat(gpu.get("transport").textValue()).isEqualTo("cuda-p2p");
    assertThat(gpu.at("/host/gpu").textValue()).isEqualTo("Some GPU, 132 SMs");
    assertThat(gpu.at("/dispatch/us_median").doubleValue()).isEqualTo(400);
    assertThat(gpu.get("placements").propertyStream().map(e -> e.getKey()))
        .containsExactly(
            "dispatch_cached",
            "dispatch_cached_owned",
            "dispatch_with_layout",
            "dispatch_owned",
            "combine_zero_copy",
            "combine_staged");
  }
}
