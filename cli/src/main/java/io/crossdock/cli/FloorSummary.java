package io.crossdock.cli;

import io.crossdock.core.BareCosts;
import java.io.PrintWriter;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/// What the comparison of one token's calls with their bare parts comes to: of each the slower
/// rank.
///
/// Safe for any thread.
///
/// @param task what was run
/// @param reports by rank
record FloorSummary(LowLatencyFloorTask task, List<LowLatencyFloorTask.Report> reports) {
  /// Calls may take so many times as long as their parts.
  static final double GOAL = 3;

  double callsNanos() {
    return reports.stream().mapToDouble(LowLatencyFloorTask.Report::calls).max().orElseThrow();
  }

  /// {@return the costs of the rank with the lower floor: the stricter comparison}
  BareCosts bare() {
    return reports.stream()
        .map(LowLatencyFloorTask.Report::bare)
        .min(Comparator.comparingDouble(BareCosts::floorOfOneToken))
        .orElseThrow();
  }

  double ratio() {
    return callsNanos() / bare().floorOfOneToken();
  }

  void print(PrintWriter out) {
    BareCosts bare = bare();
    out.printf(
        Locale.ROOT,
        "one token between %d ranks, H=%d, back to back: dispatch + combine %.2f us%n",
        reports.size(),
        task.hidden(),
        callsNanos() / 1e3);
    out.printf(
        Locale.ROOT,
        "bare parts: cast %.2f us, FP8 row copy %.2f us, BF16 row copy %.2f us,"
            + " 3 flag round trips of %.2f us: %.2f us%n",
        bare.cast() / 1e3,
        bare.rowCopy() / 1e3,
        bare.replyCopy() / 1e3,
        bare.pingPong() / 1e3,
        bare.floorOfOneToken() / 1e3);
    out.printf(Locale.ROOT, "ratio %.2f (goal: at most %.0f)%n", ratio(), GOAL);
    out.flush();
  }

  Map<String, Object> toMap() {
    BareCosts bare = bare();
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("calls_us", callsNanos() / 1e3);
    map.put("cast_us", bare.cast() / 1e3);
    map.put("row_copy_us", bare.rowCopy() / 1e3);
    map.put("reply_copy_us", bare.replyCopy() / 1e3);
    map.put("ping_pong_us", bare.pingPong() / 1e3);
    map.put("floor_us", bare.floorOfOneToken() / 1e3);
    map.put("ratio", ratio());
    return map;
  }
}
