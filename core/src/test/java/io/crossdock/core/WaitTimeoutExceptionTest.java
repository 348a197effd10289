package io.crossdock.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.WaitTimeoutException.Facts;
import org.junit.jupiter.api.Test;

class WaitTimeoutExceptionTest {
  private static final long NANOS = 5_000_999_999L;

  @Test
  void aPeerThatDidNotArriveIsNamed() {
    WaitTimeoutException failure =
        new WaitTimeoutException(new Facts(3, 7, "ENTER", 12, 11, NANOS));
    assertThat(failure)
        .hasMessage(
            "peer did not arrive: rank=3, peer=7, phase=ENTER, expected=12, seen=11, waitedMs=5000");
    assertThat(failure.facts().waitedNanos()).isEqualTo(NANOS);
  }

  @Test
  void ranksThatAreNotKnownAreLeftOut() {
    Facts noPeer = new Facts(3, Facts.UNKNOWN, "REPORT", 12, 11, NANOS);
    assertThat(new WaitTimeoutException("GPU is late", noPeer))
        .hasMessage("GPU is late: rank=3, phase=REPORT, expected=12, seen=11, waitedMs=5000");
    Facts nobody = new Facts(Facts.UNKNOWN, Facts.UNKNOWN, "EVENT", 1, 0, NANOS);
    assertThat(new WaitTimeoutException("event is late", nobody))
        .hasMessage("event is late: phase=EVENT, expected=1, seen=0, waitedMs=5000");
  }
}
