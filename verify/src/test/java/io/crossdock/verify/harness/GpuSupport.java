package io.crossdock.verify.harness;

import io.crossdock.core.EngineInfo;
import io.crossdock.core.Engines;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtensionContext;

/// Whether tests of the CUDA engine can run here, and the one reason that all of them give when
/// not.
///
/// Safe for any thread.
public final class GpuSupport {
  /// Name of the engine.
  public static final String ENGINE = "cuda";

  private static final String NO_GPU = "no GPU: ";

  private GpuSupport() {}

  /// {@return why the CUDA engine cannot run here; empty when it can}
  public static Optional<String> missing() {
    return Probe.MISSING;
  }

  /// Skips the calling test where the CUDA engine cannot run. For tests that learn their engine at
  /// run time; others carry [RequiresGpu].
  public static void assume() {
    Assumptions.assumeTrue(missing().isEmpty(), () -> missing().orElseThrow());
  }

  static Optional<String> missing(List<EngineInfo> engines) {
    for (EngineInfo engine : engines) {
      if (engine.name().equals(ENGINE)) {
        return engine.isAvailable()
            ? Optional.empty()
            : Optional.of(NO_GPU + String.join(", ", engine.reasons()));
      }
    }
    return Optional.of(NO_GPU + ENGINE + " engine is not in this build");
  }

  /// Asks the engines once a process, and only when a test wants to know.
  private static final class Probe {
    static final Optional<String> MISSING = missing(Engines.list());
  }

  /// What [RequiresGpu] puts before a test.
  ///
  /// Safe for any thread.
  static final class Condition implements ExecutionCondition {
    @Override
    public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
      return missing()
          .map(ConditionEvaluationResult::disabled)
          .orElseGet(() -> ConditionEvaluationResult.enabled("the CUDA engine can run"));
    }
  }
}
