package io.crossdock.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.BufferSpec;
import org.junit.jupiter.api.Test;

/// What kernels multiply by where they would divide, for all that they divide by.
class InverseTest {
  private static final long MAX_CHOICES = (long) RowPlan.MAX_TOKENS * BufferSpec.MAX_TOPK;
  private static final int MAX_RANKS = 1024;

  @Test
  void choicesDivideByTopk() {
    for (int topk = 1; topk <= BufferSpec.MAX_TOPK; topk++) {
      checkUpTo(MAX_CHOICES, topk);
    }
  }

  @Test
  void expertsDivideByThoseOfARank() {
    for (int numLocal = 1; numLocal <= BufferSpec.MAX_EXPERTS_PER_RANK; numLocal++) {
      checkUpTo((long) numLocal * MAX_RANKS, numLocal);
    }
  }

  /// At the first and the last value of each quotient, as the kernel does it.
  private static void checkUpTo(long end, int divisor) {
    long inverse = CudaLowLatency.inverseOf(divisor);
    long wrong = 0;
    for (long quotient = 0; quotient * divisor < end; quotient++) {
      long first = quotient * divisor;
      long last = first + divisor - 1;
      boolean isRight = divide(first, inverse) == quotient && divide(last, inverse) == quotient;
      wrong += isRight ? 0 : 1;
    }
    assertThat(wrong).as("wrong quotients by %d", divisor).isZero();
  }

  private static long divide(long value, long inverse) {
    return (value * inverse) >>> 32;
  }
}
