package io.crossdock.core.group;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// What only groups of threads have: made-up nodes.
class InProcessGroupTest {
  @Test
  void ranksSplitIntoNodes() {
    List<ProcessGroup> members = InProcessGroup.create(6, GroupOptions.defaults().withNumNodes(2));
    assertThat(members).extracting(ProcessGroup::localRank).containsExactly(0, 1, 2, 0, 1, 2);
    assertThat(members).extracting(ProcessGroup::localSize).containsOnly(3);
    assertThat(members).extracting(ProcessGroup::isOnOneMachine).containsOnly(true);
    assertThat(members).extracting(ProcessGroup::name).containsOnly("in-process");
  }

  @ParameterizedTest
  @CsvSource({"5, 2", "0, 1", "-1, 1", "1, 2"})
  void unequalNodesAreRefused(int size, int numNodes) {
    GroupOptions options = GroupOptions.defaults().withNumNodes(numNodes);
    assertThatThrownBy(() -> InProcessGroup.create(size, options))
        .isInstanceOf(GroupConfigException.class)
        .hasMessageContainingAll("size=" + size, "numNodes=" + numNodes);
  }

  @Test
  void optionsAreChecked() {
    GroupOptions options = GroupOptions.defaults();
    assertThatThrownBy(() -> options.withNumNodes(0))
        .isInstanceOf(GroupConfigException.class)
        .hasMessageContaining("numNodes=0");
    assertThatThrownBy(() -> options.withTimeout(Duration.ZERO))
        .isInstanceOf(GroupConfigException.class)
        .hasMessageContaining("timeout=PT0S");
  }

  @Test
  void oneRankMeetsItself() {
    try (ProcessGroup alone = InProcessGroup.create(1, GroupOptions.defaults()).getFirst()) {
      alone.barrier();
      assertThat(alone.allGather(new byte[] {4})).isDeepEqualTo(new byte[][] {{4}});
    }
  }
}
