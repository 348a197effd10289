package io.crossdock.cli;

import io.crossdock.core.CallTimer;
import io.crossdock.core.EpBuffer;
import java.util.ArrayList;
import java.util.List;

/// Stages of the current stream, by marks on it: the host runs ahead. The streams of all ranks meet
/// before the first.
///
/// Confined to one thread.
final class StreamStages implements StageClock {
  private final EpBuffer buffer;

  /// All timers start together before the ranks meet; each stops at its mark.
  private final List<CallTimer> marks = new ArrayList<>();

  private final List<String> names = new ArrayList<>();
  private final List<Integer> batches = new ArrayList<>();

  /// @param buffer of the rank
  /// @param most stages of a run
  StreamStages(EpBuffer buffer, int most) {
    this.buffer = buffer;
    for (int mark = 0; mark <= most; mark++) {
      marks.add(buffer.timer());
    }
  }

  @Override
  public void start() {
    names.clear();
    batches.clear();
    marks.forEach(CallTimer::start);
    buffer.barrier();
    marks.getFirst().stop();
  }

  @Override
  public void end(String name, int batch) {
    names.add(name);
    batches.add(batch);
    marks.get(names.size()).stop();
  }

  @Override
  public List<LowLatencyOverlapTask.Span> spans() {
    List<LowLatencyOverlapTask.Span> spans = new ArrayList<>();
    double origin = marks.getFirst().micros();
    double last = 0;
    for (int stage = 0; stage < names.size(); stage++) {
      double end = marks.get(stage + 1).micros() - origin;
      spans.add(
          new LowLatencyOverlapTask.Span(names.get(stage), batches.get(stage), last, end - last));
      last = end;
    }
    return spans;
  }

  @Override
  public void close() {
    marks.forEach(CallTimer::close);
  }
}
