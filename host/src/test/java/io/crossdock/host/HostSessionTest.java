package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.DType;
import io.crossdock.core.DispatchConfig;
import io.crossdock.core.Layout;
import io.crossdock.core.Tensor;
import io.crossdock.core.group.GroupOptions;
import io.crossdock.core.group.InProcessGroup;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.core.spi.DispatchCall;
import io.crossdock.core.spi.EngineSession;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class HostSessionTest {
  private static final int NUM_EXPERTS = 8;

  /// With asyncFinish the caller counts the next batch while the rows of this one still move.
  @Test
  void aLayoutLeavesADispatchInFlightAlone() {
    BufferSpec spec =
        BufferSpec.builder()
            .numMaxTokensPerRank(3)
            .hidden(8)
            .topk(1)
            .numExperts(NUM_EXPERTS)
            .build();
    try (ProcessGroup group = InProcessGroup.create(1, GroupOptions.defaults()).getFirst();
        EngineSession session = new HostEngine().openSession(spec, group)) {
      DispatchCall call = new DispatchCall();
      call.config = DispatchConfig.recommended(1);
      call.x = Tensor.of(MemorySegment.ofArray(new byte[48]), DType.BF16, 3, 8);
      call.topkIdx = choices(1, 2, 3);
      call.layout = layout(session, call.topkIdx);
      call.handle = session.newHandle();
      call.expertAlignment = 1;
      call.outputRows = Long.MAX_VALUE;
      session.reserve(call);
      session.enter(call);
      layout(session, choices(7, -1, 7));
      session.place(call);
      for (int row = 0; row < 3; row++) {
        assertThat(call.recvTopkIdx.get(JAVA_LONG_UNALIGNED, row * 8L)).isEqualTo(row + 1);
      }
    }
  }

  private static Tensor choices(long... ids) {
    return Tensor.of(MemorySegment.ofArray(ids), DType.I64, ids.length, 1);
  }

  private static Layout layout(EngineSession session, Tensor topkIdx) {
    Layout layout = Layout.allocate(Arena.ofAuto(), new Layout.Sizes(3, 1, 1, NUM_EXPERTS));
    session.layout(topkIdx, layout);
    return layout;
  }
}
