package io.crossdock.host;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.WindowAllocationException;
import io.crossdock.core.group.ProcessGroup;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class HostEngineTest {
  private static final BufferSpec SPEC =
      BufferSpec.builder().numMaxTokensPerRank(4).hidden(8).topk(1).numExperts(6).build();

  private static final int FIRST = 0;
  private static final int LAST = 2;
  private static final String GOOD = "\0";
  private static final String BAD = "\1";

  private static void checkAllFail(UnaryOperator<ProcessGroup> disguise, String reason)
      throws Exception {
    List<Throwable> failures = Opening.onAll(SPEC, 3, disguise);
    assertThat(failures)
        .hasSize(3)
        .allSatisfy(failure ->
            assertThat(failure)
                .isInstanceOf(WindowAllocationException.class)
                .hasMessageContaining("a rank has no windows: peer=2")
                .hasMessageContaining(reason));
  }

  /// One rank cannot map what another offers: no rank must go on, or wait for the one that failed.
  @Test
  void whatOneRankCannotMapFailsOnAll() throws Exception {
    checkAllFail(
        group -> group.rank() == 2 ? gives(group, FIRST, 0, GOOD + "1 /proc/nowhere") : group,
        "could not be mapped: link=/proc/nowhere");
  }

  /// Whatever goes wrong there; the rank itself keeps what it was.
  @Test
  void whatOneRankCannotReadFailsOnAll() throws Exception {
    checkAllFail(
        group -> group.rank() == 2 ? gives(group, FIRST, 0, GOOD + "nonsense") : group,
        "out of bounds for length 8");
    List<Throwable> failures =
        Opening.onAll(
            SPEC, 3, group -> group.rank() == 2 ? gives(group, FIRST, 0, GOOD + "x ") : group);
    assertThat(failures.get(2)).hasCauseInstanceOf(NumberFormatException.class);
  }

  /// Peers would wait for it in their first call.
  @Test
  void aSessionThatOneRankCannotMakeFailsOnAll() throws Exception {
    checkAllFail(
        group -> gives(group, LAST, 2, BAD + "out of memory"), "peer=2, reason=out of memory");
  }

  /// {@return a group in which a rank seems to give something else in one of the steps}
  private static ProcessGroup gives(ProcessGroup group, int step, int rank, String text) {
    AtomicInteger steps = new AtomicInteger();
    return (ProcessGroup)
        Proxy.newProxyInstance(
            ProcessGroup.class.getClassLoader(),
            new Class<?>[] {ProcessGroup.class},
            (_, method, arguments) -> {
              try {
                Object result = method.invoke(group, arguments);
                if (method.getName().equals("allGather") && steps.getAndIncrement() == step) {
                  ((byte[][]) result)[rank] = text.getBytes(StandardCharsets.UTF_8);
                }
                return result;
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
  }
}
