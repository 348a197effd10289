package io.crossdock.cli;

import java.util.ArrayList;
import java.util.List;

/// Stages of the calling thread.
///
/// Confined to one thread.
final class HostStages implements StageClock {
  private final StartLine line;
  private List<LowLatencyOverlapTask.Span> spans = new ArrayList<>();
  private long start;
  private long last;

  HostStages(StartLine line) {
    this.line = line;
  }

  @Override
  public void start() {
    spans = new ArrayList<>();
    start = line.await();
    last = System.nanoTime();
  }

  @Override
  public void end(String name, int batch) {
    long now = System.nanoTime();
    double micros = (now - last) / 1e3;
    spans.add(new LowLatencyOverlapTask.Span(name, batch, (last - start) / 1e3, micros));
    last = now;
  }

  @Override
  public List<LowLatencyOverlapTask.Span> spans() {
    return spans;
  }

  @Override
  public void close() {
    // Nothing is held.
  }
}
