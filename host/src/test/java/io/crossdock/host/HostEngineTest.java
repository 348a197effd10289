package io.crossdock.host;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.WindowAllocationException;
import io.crossdock.core.group.ProcessGroup;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class HostEngineTest {
  private static final BufferSpec SPEC =
      BufferSpec.builder().numMaxTokensPerRank(4).hidden(8).topk(1).numExperts(6).build();

  /// One rank cannot map what another offers: no rank must go on, or wait for the one that failed.
  @Test
  void whatOneRankCannotMapFailsOnAll() throws Exception {
    assertThat(Opening.onAll(SPEC, 3, HostEngineTest::sendRankTwoAstray))
        .hasSize(3)
        .allSatisfy(failure ->
            assertThat(failure)
                .isInstanceOf(WindowAllocationException.class)
                .hasMessageContaining("a rank has no windows: peer=2")
                .hasMessageContaining("could not be mapped: link=/proc/nowhere"));
  }

  private static ProcessGroup sendRankTwoAstray(ProcessGroup group) {
    if (group.rank() != 2) {
      return group;
    }
    boolean[] first = {true};
    return (ProcessGroup)
        Proxy.newProxyInstance(
            ProcessGroup.class.getClassLoader(),
            new Class<?>[] {ProcessGroup.class},
            (proxy, method, arguments) -> {
              try {
                Object result = method.invoke(group, arguments);
                if (method.getName().equals("allGather") && first[0]) {
                  first[0] = false;
                  ((byte[][]) result)[0] = "1 /proc/nowhere".getBytes(StandardCharsets.UTF_8);
                }
                return result;
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
  }
}
