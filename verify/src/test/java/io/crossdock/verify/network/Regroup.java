package io.crossdock.verify.network;

import io.crossdock.core.group.ProcessGroup;
import io.crossdock.core.group.ProcessGroups;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;

/// New groups of the ranks that are left of a job that the environment describes.
///
/// Safe for any thread.
final class Regroup {
  private static final Map<String, String> VARIABLES = System.getenv();

  private final int rank = number("RANK");
  private final int size = number("WORLD_SIZE");
  private final int localSize = number("LOCAL_WORLD_SIZE");
  private final List<Integer> gone;

  /// Knows who is left.
  ///
  /// @param gone ranks of the job that are not
  Regroup(List<Integer> gone) {
    this.gone = List.copyOf(gone);
  }

  private static int number(String name) {
    return Integer.parseInt(VARIABLES.get(name));
  }

  private List<Integer> left(int node) {
    return IntStream.range(node * localSize, (node + 1) * localSize)
        .boxed()
        .filter(other -> !gone.contains(other))
        .toList();
  }

  /// {@return ranks of other nodes}
  static List<Integer> far() {
    Regroup all = new Regroup(List.of());
    List<Integer> near = all.left(all.rank / all.localSize);
    return IntStream.range(0, all.size).boxed().filter(other -> !near.contains(other)).toList();
  }

  /// {@return a group of all that are left on this node}
  ProcessGroup onThisNode() {
    List<Integer> members = left(rank / localSize);
    return join(members, members.size(), "127.0.0.1", 1);
  }

  /// {@return a group of one rank of each node; empty where this rank is not it, or a node has
  /// none}
  Optional<ProcessGroup> acrossNodes() {
    List<List<Integer>> nodes = IntStream.range(0, size / localSize).mapToObj(this::left).toList();
    if (nodes.stream().anyMatch(List::isEmpty)) {
      return Optional.empty();
    }
    List<Integer> members = nodes.stream().map(List::getFirst).toList();
    return members.contains(rank)
        ? Optional.of(join(members, 1, VARIABLES.get("MASTER_ADDR"), 2))
        : Optional.empty();
  }

  private ProcessGroup join(
      List<Integer> members, int newLocalSize, String address, int portsFurther) {
    int place = members.indexOf(rank);
    Map<String, String> variables = new HashMap<>(VARIABLES);
    variables.put("RANK", Integer.toString(place));
    variables.put("WORLD_SIZE", Integer.toString(members.size()));
    variables.put("LOCAL_RANK", Integer.toString(place % newLocalSize));
    variables.put("LOCAL_WORLD_SIZE", Integer.toString(newLocalSize));
    variables.put("MASTER_ADDR", address);
    variables.put("MASTER_PORT", Integer.toString(number("MASTER_PORT") + portsFurther));
    return ProcessGroups.fromEnvironment(variables);
  }
}
