package io.crossdock.verify.network;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.CombineInput;
import io.crossdock.core.DispatchResult;
import io.crossdock.core.Engines;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.Layout;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.harness.Bounded;
import io.crossdock.verify.harness.ExactCalls;
import io.crossdock.verify.harness.RankBody;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;

/// Makes calls between two looks of the test at the interfaces, and says how many bytes it should
/// have sent: rows for each pair of a token and another node, and what the library counts itself.
public final class WireBody implements RankBody {
  /// Printed when the first look may come.
  static final String WARM = "is warm";

  /// Printed when the second look may come.
  static final String SENT = "has sent";

  /// Made by the test after its first look.
  static final String LOOKED = "looked";

  /// Made by the test after its last look.
  static final String LOOKED_AGAIN = "looked-again";

  private static final Duration BOUND = Duration.ofSeconds(40);
  private static final int HIDDEN = 4096;
  private static final int CALLS = 24;
  private static final long SEED = 5;

  private final Path folder;
  private final Calls kind;
  private long counted;
  private long rows;

  /// What is measured.
  enum Calls {
    /// Rows go to other nodes.
    DISPATCH,
    /// Partial sums come back as well.
    DISPATCH_AND_COMBINE
  }

  /// @param arguments folder of the test's files, which calls
  public WireBody(List<String> arguments) {
    folder = Path.of(arguments.get(0));
    kind = Calls.valueOf(arguments.get(1));
  }

  @Override
  public void run(ProcessGroup group) {
    BufferSpec spec =
        BufferSpec.builder()
            .numMaxTokensPerRank(64)
            .hidden(HIDDEN)
            .topk(4)
            .numExperts(16)
            .hostTimeout(BOUND)
            .build();
    try (EpBuffer buffer = EpBuffer.open(Engines.open("host"), spec, group)) {
      ExactCalls calls = new ExactCalls(buffer, ExactCalls.Tokens.ALL);
      ExactCalls.Batch batch = calls.batch(SEED);
      Layout layout = calls.layout(batch);
      calls.run(SEED);
      group.barrier();
      System.out.println(WARM);
      awaitFile(LOOKED);
      send(buffer, calls, batch, layout);
      group.barrier();
      System.out.println(SENT + ": counted=" + counted + ", rowBytes=" + rows * HIDDEN * 2L);
      awaitFile(LOOKED_AGAIN);
      calls.run(SEED + 1);
    }
  }

  private void send(EpBuffer buffer, ExactCalls calls, ExactCalls.Batch batch, Layout layout) {
    for (int call = 0; call < CALLS; call++) {
      try (DispatchResult got = buffer.dispatch(batch.input(), layout)) {
        counted += buffer.lastCall().networkBytes();
        rows += farRows(buffer, layout);
        if (kind == Calls.DISPATCH_AND_COMBINE) {
          CombineInput outputs = calls.outputs(got);
          calls.checkCombined(SEED, buffer.combine(outputs, got.handle()));
          counted += buffer.lastCall().networkBytes();
        }
      }
    }
  }

  /// {@return pairs of a token and another node that wants it}
  private static long farRows(EpBuffer buffer, Layout layout) {
    int home = buffer.group().rank() / buffer.group().localSize();
    int[] perNode = layout.tokensPerNode().orElseThrow().segment().toArray(JAVA_INT);
    perNode[home] = 0;
    return Arrays.stream(perNode).asLongStream().sum();
  }

  private void awaitFile(String name) {
    Bounded.await("file appears: " + name, BOUND, () -> Files.exists(folder.resolve(name)));
  }
}
