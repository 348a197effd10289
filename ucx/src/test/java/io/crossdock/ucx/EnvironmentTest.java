package io.crossdock.ucx;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/// Settings in the environment of a process: those of a mode win over those of both, properties
/// win$ over all, and what we choose comes last.
///
/// Confined to the thread of the test.
final class EnvironmentTest {
  private static final Map<String, String> VARIABLES =
      Map.of(
          "UCX_RNDV_THRESH", "11111",
          "CROSSDOCK_NORMAL_UCX_RNDV_THRESH", "22222",
          "CROSSDOCK_NORMAL_UCX_TCP_TX_SEG_SIZE", "20000",
          "UCX_ZCOPY_THRESH", "33333",
          "CROSSDOCK_LL_UCX_ZCOPY_THRESH", "44444",
          "CROSSDOCK_LL_UCX_TLS", "tcp,self");

  private static final List<String> PROPERTIES =
      List.of(
          "-Dcrossdock.ucx.normal.puts=messages",
          "-Dcrossdock.ucx.lowLatency.puts=messages",
          "-Dcrossdock.ucx.lowLatency.ZCOPY_THRESH=55555");

  @BeforeAll
  static void needUcx() {
    Ucx.require();
  }

  /// Prints what is in effect.
  public static void main(String[] arguments) {
    new UcxTransportProvider().details().forEach(System.out::println);
  }

  private static List<String> details(boolean isTold) throws Exception {
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    ProcessBuilder builder = new ProcessBuilder(java, "--enable-native-access=ALL-UNNAMED");
    builder.environment().keySet().removeIf(name -> name.matches(".*UCX_(.*_THRESH|.*SIZE|TLS)"));
    if (isTold) {
      builder.environment().putAll(VARIABLES);
      builder.command().addAll(PROPERTIES);
    }
    builder.command().addAll(List.of("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"));
    builder.command().addAll(List.of("-cp", System.getProperty("java.class.path")));
    builder.command().add(EnvironmentTest.class.getName());
    Process process = builder.redirectErrorStream(true).start();
    try {
      String text = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      assertThat(process.waitFor(30, TimeUnit.SECONDS)).isTrue();
      assertThat(process.exitValue()).as(text).isZero();
      return text.lines().toList();
    } finally {
      process.destroyForcibly();
    }
  }

  private static String line(List<String> lines, String start) {
    return lines.stream().filter(line -> line.startsWith(start)).findFirst().orElseThrow();
  }

  @Test
  void theNearestSettingWins() throws Exception {
    List<String> lines = details(true);
    assertThat(line(lines, "normal: TLS=tcp,"))
        .containsPattern("RNDV_THRESH=\\S*\\b22222")
        .containsPattern("ZCOPY_THRESH=\\S*\\b33333")
        .contains("TCP_TX_SEG_SIZE=20000");
    assertThat(line(lines, "lowLatency: TLS=tcp,self,"))
        .containsPattern("RNDV_THRESH=\\S*\\b11111")
        .containsPattern("ZCOPY_THRESH=\\S*\\b55555");
    assertThat(lines.toString()).doesNotContain("44444");
    assertThat(line(lines, "normal: segmentBytes=")).matches(".*=1[89]\\d{3}|.*=20000");
    assertThat(line(lines, "lowLatency: networks=")).contains("self/memory");
  }

  @Test
  void withoutSettingsOursAreTaken() throws Exception {
    List<String> lines = details(false);
    assertThat(lines.toString())
        .doesNotContain("11111", "22222", "33333", "44444", "55555", "details failed");
    assertThat(line(lines, "normal: puts=")).contains("CROSSDOCK_NORMAL_UCX_");
    assertThat(line(lines, "lowLatency: puts=")).contains("CROSSDOCK_LL_UCX_");
  }
}
