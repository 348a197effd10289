package io.crossdock.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.AbortedException;
import io.crossdock.core.CrossdockException;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.WaitTimeoutException;
import io.crossdock.ffi.NativeCallException;
import org.junit.jupiter.api.Test;

class CudaSessionTest {
  /// Verdicts are known to all ranks. Of a wait only who gave up at the time told them.
  @Test
  void peersAreToldOfAllButVerdicts() {
    assertThat(CudaSession.isOnPurpose(new InvalidInputException("x"))).isTrue();
    assertThat(CudaSession.isOnPurpose(new AbortedException(1, "x"))).isTrue();
    WaitTimeoutException.Facts facts = new WaitTimeoutException.Facts(0, 1, "ENTER", 2, 1, 5);
    assertThat(CudaSession.isOnPurpose(new WaitTimeoutException(facts))).isFalse();
    assertThat(CudaSession.isOnPurpose(new CrossdockException("device memory is exhausted")))
        .isFalse();
    assertThat(CudaSession.isOnPurpose(new NativeCallException("x", "x", 700, "x"))).isFalse();
  }
}
