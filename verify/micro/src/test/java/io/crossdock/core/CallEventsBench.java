package io.crossdock.core;

import io.crossdock.core.group.GroupOptions;
import io.crossdock.core.group.InProcessGroup;
import io.crossdock.core.group.ProcessGroup;
import java.util.concurrent.TimeUnit;
import jdk.jfr.Recording;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/// What telling the flight recorder of one call costs, while something records and while nothing
/// does.
@State(Scope.Thread)
@BenchmarkMode(org.openjdk.jmh.annotations.Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(
    value = 2,
    jvmArgsAppend = {"--enable-native-access=ALL-UNNAMED", "--add-modules", "jdk.incubator.vector"})
@Warmup(iterations = 5, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 5, time = 500, timeUnit = TimeUnit.MILLISECONDS)
public class CallEventsBench {
  @Param({"off", "on"})
  String recording;

  private ProcessGroup group;
  private EpBuffer buffer;
  private CallEvents events;
  private Recording running;

  @Setup(Level.Trial)
  public void setUp() {
    group = InProcessGroup.create(1, GroupOptions.defaults()).getFirst();
    BufferSpec spec =
        BufferSpec.builder().numMaxTokensPerRank(1).hidden(128).topk(1).numExperts(1).build();
    buffer = EpBuffer.open(Engines.open("host"), spec, group);
    events = new CallEvents(buffer);
    if (recording.equals("on")) {
      running = new Recording();
      running.enable(DispatchEvent.class);
      running.start();
    }
    CallEvent event = events.dispatch(Mode.LOW_LATENCY);
    if ((event != null) != recording.equals("on")) {
      throw new IllegalStateException("events are not as asked for: recording=" + recording);
    }
  }

  @TearDown(Level.Trial)
  public void tearDown() {
    if (running != null) {
      running.close();
    }
    buffer.close();
    group.close();
  }

  /// The event of one dispatch.
  @Benchmark
  public void call() {
    CallEvent event = events.dispatch(Mode.LOW_LATENCY);
    events.sent(event);
    events.end(event, 1, null);
  }
}
