package io.crossdock.cli;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// The stages of both variants as trace events of Chrome and Perfetto: a process for each variant,
/// a track for each rank.
///
/// Safe for any thread.
final class OverlapTrace {
  private OverlapTrace() {}

  static Map<String, Object> of(List<LowLatencyOverlapTask.Report> reports) {
    List<Map<String, Object>> events = new ArrayList<>();
    named(events, 1, "without hooks");
    named(events, 2, "with hooks");
    for (int rank = 0; rank < reports.size(); rank++) {
      add(events, 1, rank, reports.get(rank).plain());
      add(events, 2, rank, reports.get(rank).hooked());
    }
    Map<String, Object> trace = new LinkedHashMap<>();
    trace.put("traceEvents", events);
    trace.put("displayTimeUnit", "ns");
    return trace;
  }

  private static void named(List<Map<String, Object>> events, int variant, String name) {
    events.add(event("process_name", "M", variant, 0, Map.of("name", name)));
  }

  private static void add(
      List<Map<String, Object>> events,
      int variant,
      int rank,
      LowLatencyOverlapTask.Variant stages) {
    events.add(event("thread_name", "M", variant, rank, Map.of("name", "rank " + rank)));
    for (LowLatencyOverlapTask.Span span : stages.trace()) {
      Map<String, Object> event =
          event(span.name(), "X", variant, rank, Map.of("batch", span.batch()));
      event.put("cat", "batch " + span.batch());
      event.put("ts", span.startMicros());
      event.put("dur", span.micros());
      events.add(event);
    }
  }

  private static Map<String, Object> event(
      String name, String phase, int variant, int rank, Map<String, Object> arguments) {
    Map<String, Object> event = new LinkedHashMap<>();
    event.put("name", name);
    event.put("ph", phase);
    event.put("pid", variant);
    event.put("tid", rank);
    event.put("args", arguments);
    return event;
  }
}
