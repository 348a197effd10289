package io.crossdock.cli;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.Device;
import io.crossdock.core.DeviceInfo;
import io.crossdock.core.Domain;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.Mode;
import java.util.List;
import org.junit.jupiter.api.Test;

class DeviceFitTest {
  private static final BufferSpec SPEC =
      BufferSpec.builder().numMaxTokensPerRank(4096).hidden(7168).topk(8).numExperts(256).build();

  private static final long WINDOW_BYTES = SPEC.sizeHint(Mode.NORMAL, Domain.SCALE_UP, 8);

  private static DeviceInfo gpu(int index, int numSms, long memoryBytes) {
    return new DeviceInfo(Device.cuda(index), "some", numSms, memoryBytes, 1 << 20, "some");
  }

  @Test
  void ranksThatFitPass() {
    List<DeviceInfo> one = List.of(gpu(0, 132, 140L << 30));
    assertThatCode(() -> DeviceFit.check(one, 4, 33, WINDOW_BYTES)).doesNotThrowAnyException();
    assertThatCode(() -> DeviceFit.check(one, 8, 0, WINDOW_BYTES)).doesNotThrowAnyException();
  }

  @Test
  void moreBlocksThanTheGpuRunsAtOnceAreRefused() {
    List<DeviceInfo> two = List.of(gpu(0, 132, 140L << 30), gpu(1, 132, 140L << 30));
    assertThatCode(() -> DeviceFit.check(two, 8, 33, WINDOW_BYTES)).doesNotThrowAnyException();
    assertThatThrownBy(() -> DeviceFit.check(two, 8, 34, WINDOW_BYTES))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContainingAll("cuda:0", "ranks=4", "smsOfRank=34", "needed=136", "numSms=132");
  }

  @Test
  void windowsLargerThanTheMemoryAreRefused() {
    assertThatThrownBy(() -> DeviceFit.check(List.of(gpu(0, 132, 8L << 30)), 8, 8, WINDOW_BYTES))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContainingAll("memoryBytes=8589934592", "remedy=fewer --tokens or --ranks");
  }
}
