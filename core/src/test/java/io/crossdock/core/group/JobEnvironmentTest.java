package io.crossdock.core.group;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.core.group.JobEnvironment.Place;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// What variables mean, as tables. A row lists variables with blanks between them.
class JobEnvironmentTest {
  private static final String OMPI = "OMPI_COMM_WORLD_";
  private static final String STEP = "SLURM_STEP_";

  /// What Slurm 22.05 sets in an allocation of two nodes with two tasks each, outside of `srun`.
  private static final String ALLOCATION =
      "SLURM_NTASKS=4 SLURM_NTASKS_PER_NODE=2 SLURM_TASKS_PER_NODE=2(x2) SLURM_NNODES=2 ";

  private static JobEnvironment environment(String variables) {
    Map<String, String> map = new HashMap<>();
    String full = variables.replace("OMPI_", OMPI).replace("STEP_", STEP);
    for (String variable : full.strip().split(" +", -1)) {
      int equals = variable.indexOf('=');
      if (equals > 0) {
        map.put(variable.substring(0, equals), variable.substring(equals + 1));
      }
    }
    return new JobEnvironment(map);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "                                                                          | 0 | 1 | 1",
        "MASTER_ADDR=node7 MASTER_PORT=1 HOME=/                                    | 0 | 1 | 1",
        "RANK= WORLD_SIZE=                                                         | 0 | 1 | 1",
        "SLURM_NTASKS=8 SLURM_TASKS_PER_NODE=4(x2)                                 | 0 | 1 | 1",
        "RANK=0 WORLD_SIZE=1 LOCAL_RANK=0 LOCAL_WORLD_SIZE=1                       | 0 | 1 | 1",
        "RANK=5 WORLD_SIZE=8 LOCAL_RANK=1 LOCAL_WORLD_SIZE=4                       | 5 | 8 | 4",
        "OMPI_RANK=2 OMPI_SIZE=3 OMPI_LOCAL_RANK=2 OMPI_LOCAL_SIZE=3               | 2 | 3 | 3",
        "SLURM_PROCID=5 STEP_NUM_TASKS=8 SLURM_LOCALID=1 STEP_TASKS_PER_NODE=4(x2)   | 5 | 8 | 4",
        "SLURM_PROCID=2 STEP_NUM_TASKS=3 SLURM_LOCALID=2 STEP_TASKS_PER_NODE=3       | 2 | 3 | 3",
        "SLURM_PROCID=2 STEP_NUM_TASKS=6 SLURM_LOCALID=0 STEP_TASKS_PER_NODE=2(x2),2 | 2 | 6 | 2",
      })
  void placeIsRead(String variables, int rank, int size, int localSize) {
    assertThat(environment(variables == null ? "" : variables).place())
        .isEqualTo(new Place(rank, size, localSize));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        // salloc's shell
        "                                                                         | 0 | 1 | 1",
        // the batch script itself
        "SLURM_PROCID=0 SLURM_LOCALID=0                                           | 0 | 1 | 1",
        // salloc's shell where it is a step of its own
        "SLURM_PROCID=0 SLURM_LOCALID=0 STEP_NUM_TASKS=1 STEP_TASKS_PER_NODE=1    | 0 | 1 | 1",
        // srun --preserve-env -N1 -n2
        "SLURM_PROCID=1 SLURM_LOCALID=1 STEP_NUM_TASKS=2 STEP_TASKS_PER_NODE=2    | 1 | 2 | 2",
        // srun
        "SLURM_PROCID=2 SLURM_LOCALID=0 STEP_NUM_TASKS=4 STEP_TASKS_PER_NODE=2(x2)| 2 | 4 | 2",
      })
  void stepOfSlurmCountsAndNotItsAllocation(String step, int rank, int size, int localSize) {
    assertThat(environment(ALLOCATION + (step == null ? "" : step)).place())
        .isEqualTo(new Place(rank, size, localSize));
  }

  @Test
  void firstLauncherWithARankIsBelievedAndNoneAreMixed() {
    String torchrun = " RANK=1 WORLD_SIZE=2 LOCAL_RANK=1 LOCAL_WORLD_SIZE=2";
    String openMpi = " OMPI_RANK=2 OMPI_SIZE=3 OMPI_LOCAL_RANK=2 OMPI_LOCAL_SIZE=3";
    String slurm = " SLURM_PROCID=3 STEP_NUM_TASKS=4 SLURM_LOCALID=3 STEP_TASKS_PER_NODE=4";
    assertThat(environment(torchrun + openMpi + slurm).place()).isEqualTo(new Place(1, 2, 2));
    assertThat(environment(openMpi + slurm).place()).isEqualTo(new Place(2, 3, 3));
    assertThat(environment(slurm + " WORLD_SIZE=9").place()).isEqualTo(new Place(3, 4, 4));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "RANK=1                                        | missing=[WORLD_SIZE, LOCAL_RANK",
        "RANK=1 WORLD_SIZE=2 LOCAL_RANK=1              | missing=[LOCAL_WORLD_SIZE]",
        "RANK=1 WORLD_SIZE=2 LOCAL_RANK= LOCAL_WORLD_SIZE=2 | missing=[LOCAL_RANK]",
        "WORLD_SIZE=2                                  | missing=[RANK, LOCAL_RANK",
        "LOCAL_RANK=0                                  | set=[LOCAL_RANK]",
        "OMPI_RANK=1 OMPI_SIZE=2                       | missing=[OMPI_COMM_WORLD_LOCAL_RANK",
        "OMPI_SIZE=2                                   | missing=[OMPI_COMM_WORLD_RANK",
        "SLURM_PROCID=0 STEP_NUM_TASKS=2 SLURM_LOCALID=0 | missing=[SLURM_STEP_TASKS_PER_NODE]",
        "SLURM_PROCID=1 SLURM_NTASKS=2 SLURM_LOCALID=1 | missing=[SLURM_STEP_NUM_TASKS, SLURM_STEP",
        "RANK=x WORLD_SIZE=2 LOCAL_RANK=0 LOCAL_WORLD_SIZE=2  | RANK=x",
        "RANK=0 WORLD_SIZE=99999999999 LOCAL_RANK=0 LOCAL_WORLD_SIZE=2 | WORLD_SIZE=99999999999",
        "RANK=2 WORLD_SIZE=2 LOCAL_RANK=0 LOCAL_WORLD_SIZE=2  | rank=2, size=2",
        "RANK=-1 WORLD_SIZE=2 LOCAL_RANK=1 LOCAL_WORLD_SIZE=2 | rank=-1",
        "RANK=0 WORLD_SIZE=3 LOCAL_RANK=0 LOCAL_WORLD_SIZE=2  | size=3, localSize=2",
        "RANK=0 WORLD_SIZE=2 LOCAL_RANK=0 LOCAL_WORLD_SIZE=0  | localSize=0",
        "RANK=1 WORLD_SIZE=4 LOCAL_RANK=0 LOCAL_WORLD_SIZE=2  | LOCAL_RANK=0, expected=1",
        "RANK=0 WORLD_SIZE=2 LOCAL_RANK=2 LOCAL_WORLD_SIZE=2  | LOCAL_RANK=2, expected=0",
        "SLURM_PROCID=1 STEP_NUM_TASKS=4 SLURM_LOCALID=0 STEP_TASKS_PER_NODE=2(x2) | SLURM_LOCALID=0",
      })
  void halfSetOrSenselessPlaceIsNamed(String variables, String named) {
    assertThatThrownBy(() -> environment(variables).place())
        .isInstanceOf(GroupConfigException.class)
        .hasMessageContaining(named);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "4(x2),3 | 11 | unequal",
        "3,4     | 7  | unequal",
        "4(x2)   | 9  | add up",
        "4       | 8  | add up",
        "4(2)    | 8  | not a list",
        "4(x2),  | 8  | not a list",
        "four    | 4  | not a list",
        "4(x2) 4 | 12 | not a list",
        "999999999(x999999999) | 8 | add up",
        "9999999999 | 8 | not a list",
      })
  void unusableNodesOfSlurmAreRefused(String nodes, int numTasks, String why) {
    var environment =
        new JobEnvironment(
            Map.of(
                "SLURM_PROCID",
                "0",
                "SLURM_LOCALID",
                "0",
                "SLURM_STEP_NUM_TASKS",
                Integer.toString(numTasks),
                "SLURM_STEP_TASKS_PER_NODE",
                nodes));
    assertThatThrownBy(environment::place)
        .isInstanceOf(GroupConfigException.class)
        .hasMessageContainingAll("SLURM_STEP_TASKS_PER_NODE=" + nodes.strip(), why);
  }

  private static TcpGroupSettings settings(Map<String, String> more) {
    Map<String, String> variables =
        new HashMap<>(
            Map.of("RANK", "1", "WORLD_SIZE", "2", "LOCAL_RANK", "1", "LOCAL_WORLD_SIZE", "2"));
    variables.putAll(more);
    var environment = new JobEnvironment(variables);
    return environment.settings(environment.place());
  }

  private static byte[] secret(String text) {
    return settings(Map.of("CROSSDOCK_SECRET", text)).secret();
  }

  @Test
  void defaultsAndGivenRendezvous() {
    Map<String, String> secret = Map.of("CROSSDOCK_SECRET", "0123456789abcdefg");
    TcpGroupSettings settings = settings(secret);
    assertThat(settings.name()).isEqualTo("tcp 127.0.0.1:29500");
    assertThat(settings.timeout()).isEqualTo(ProcessGroup.DEFAULT_TIMEOUT);
    Map<String, String> given = new HashMap<>(secret);
    given.putAll(
        Map.of("MASTER_ADDR", "[::1]", "MASTER_PORT", "4711", "CROSSDOCK_TIMEOUT_SECONDS", "7"));
    TcpGroupSettings other = settings(given);
    assertThat(other.host()).isEqualTo("::1");
    assertThat(other.name()).isEqualTo("tcp [::1]:4711");
    assertThat(other.timeout()).isEqualTo(Duration.ofSeconds(7));
    assertThat(other.toString()).contains("rank=1").doesNotContain("0123456789abcdefg");
    assertThat(other).isNotEqualTo(settings);
    assertThat(settings).isEqualTo(settings(secret)).hasSameHashCodeAs(settings(secret));
  }

  @ParameterizedTest
  @CsvSource({
    "MASTER_PORT, http, MASTER_PORT=http",
    "MASTER_PORT, 0, port=0",
    "MASTER_PORT, 65536, port=65536",
    "CROSSDOCK_TIMEOUT_SECONDS, soon, CROSSDOCK_TIMEOUT_SECONDS=soon",
    "CROSSDOCK_TIMEOUT_SECONDS, 0, timeout=PT0S",
    "CROSSDOCK_TIMEOUT_SECONDS, -5, timeout=PT-5S",
  })
  void unusableSettingsAreNamed(String name, String value, String named) {
    assertThatThrownBy(() -> settings(Map.of("CROSSDOCK_SECRET", "0123456789abcdefg", name, value)))
        .isInstanceOf(GroupConfigException.class)
        .hasMessageContaining(named);
  }

  @Test
  void secretIsHexOrText() {
    String hex = "000102030405060708090a0b0c0d0e0fFF";
    assertThat(secret(hex)).isEqualTo(HexFormat.of().parseHex(hex));
    for (String text : new String[] {"sixteen letters!", "0123456789abcdef", "gruß".repeat(5)}) {
      assertThat(secret(text)).isEqualTo(text.getBytes(StandardCharsets.UTF_8));
    }
  }

  @Test
  void secretComesFromAFile(@TempDir Path folder) throws Exception {
    Path file = folder.resolve("secret");
    Map<String, String> variables = Map.of("CROSSDOCK_SECRET_FILE", file.toString());
    assertThatThrownBy(() -> settings(variables))
        .isInstanceOf(GroupConfigException.class)
        .hasMessageContaining("CROSSDOCK_SECRET_FILE=" + file);
    Files.writeString(file, "00112233445566778899aabbccddeeff\r\n");
    assertThat(settings(variables).secret())
        .isEqualTo(HexFormat.of().parseHex("00112233445566778899aabbccddeeff"));
    byte[] binary = HexFormat.of().parseHex("ff80c0fe000000000000000000000000c3");
    Files.write(file, binary);
    assertThat(settings(variables).secret()).isEqualTo(binary);
    assertThat(
            settings(
                    Map.of(
                        "CROSSDOCK_SECRET_FILE",
                        file.toString(),
                        "CROSSDOCK_SECRET",
                        "the variable comes first"))
                .secret())
        .isEqualTo("the variable comes first".getBytes(StandardCharsets.UTF_8));
  }

  @Test
  void missingOrShortSecretSaysWhatToDo() {
    assertThatThrownBy(() -> settings(Map.of()))
        .isInstanceOf(GroupSecretException.class)
        .hasMessageContainingAll("not set", "remedy=set CROSSDOCK_SECRET", "rank=1");
    assertThatThrownBy(() -> secret("short"))
        .isInstanceOf(GroupSecretException.class)
        .hasMessageContainingAll("bytes=5", "minBytes=16", "remedy=")
        .hasMessageNotContaining("short secret");
  }
}
