package io.crossdock.host;

import java.lang.foreign.Arena;

/// A program for [KernelChoiceTest]: sums with the kernel that this JVM picks and prints its name.
final class KernelProbe {
  private KernelProbe() {}

  public static void main(String... arguments) {
    SumKernel kernel = SumKernel.pick();
    SumCase test = new SumCase(7, 1032, 9, true, SumCase.Values.SPECIAL);
    try (Arena arena = Arena.ofConfined()) {
      test.check(kernel.describe(), test.sum(kernel, test.scattered(arena), 4), test.expected());
    }
    System.out.println("kernel=" + kernel.describe());
    System.out.println("cast=" + Fp8CastKernel.pick(128).describe());
    System.out.println("weighted=" + WeightedSumKernel.pick().describe());
    System.out.println("logfmt=" + LogFmtKernel.pick().describe());
  }
}
