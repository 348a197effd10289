package io.crossdock.cli;

import io.crossdock.core.routing.RankInput;
import io.crossdock.core.routing.ReferenceLayout;
import io.crossdock.core.routing.RoutingReference;
import io.crossdock.core.routing.RoutingSampler;
import io.crossdock.core.routing.Skew;
import io.crossdock.core.routing.Topology;
import java.io.PrintWriter;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/// How many rows a token sends to other nodes, with group-limited gating and without: what grouping
/// is for. Counted on made-up choices alone, for several numbers of nodes.
///
/// Safe for any thread.
final class GroupTraffic {
  private static final int[] NODES = {2, 4, 8};
  private static final int TOKENS = 512;

  private GroupTraffic() {}

  /// Rows for other nodes, the mean over tokens of all nodes.
  ///
  /// Safe for any thread.
  ///
  /// @param nodes that experts are split over
  /// @param free without groups
  /// @param grouped with groups
  record Line(int nodes, double free, double grouped) {}

  /// {@return a line for 2, 4 and 8 nodes, as far as experts split; empty without groups}
  ///
  /// @param task whose routing counts
  static List<Line> of(BenchTask task) {
    List<Line> lines = new ArrayList<>();
    RoutingSampler free =
        RoutingSampler.uniform(task.seed(), task.experts(), task.topk())
            .withSkew(Skew.parse(task.skew()));
    for (int nodes : NODES) {
      if (task.groups() > 0 && task.experts() % nodes == 0) {
        double grouped = rowsPerToken(task.sampler(), task, nodes);
        lines.add(new Line(nodes, rowsPerToken(free, task, nodes), grouped));
      }
    }
    return lines;
  }

  /// One rank a node, since only nodes are counted.
  private static double rowsPerToken(RoutingSampler sampler, BenchTask task, int nodes) {
    Topology topology = new Topology(nodes, 1, task.experts());
    long rows = 0;
    for (int node = 0; node < nodes; node++) {
      var choices = sampler.sample(node, TOKENS);
      RankInput input =
          RankInput.of(TOKENS, 1, MemorySegment.ofArray(new byte[TOKENS]))
              .withTopk(task.topk(), choices.topkIdx(), choices.topkWeights());
      ReferenceLayout layout = RoutingReference.layout(input, topology);
      for (int other = 0; other < nodes; other++) {
        rows += other == node ? 0 : layout.tokensPerNode()[other];
      }
    }
    return rows / (double) (nodes * TOKENS);
  }

  static void print(BenchTask task, PrintWriter out) {
    List<Line> lines = of(task);
    if (lines.isEmpty()) {
      return;
    }
    out.printf(
        "rows of a token for other nodes, top-%d of %d, and the same within %d of %d groups:%n",
        task.topk(), task.experts(), Math.max(1, task.groups() / 2), task.groups());
    out.printf("%6s %8s %8s %8s%n", "nodes", "free", "grouped", "saved");
    for (Line line : lines) {
      out.printf(
          Locale.ROOT,
          "%6d %8.2f %8.2f %6.0f %%%n",
          line.nodes,
          line.free,
          line.grouped,
          100 * (1 - line.grouped / line.free));
    }
  }
}
