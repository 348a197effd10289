package io.crossdock.verify.harness;

import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.AfterTestExecutionCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.BeforeTestExecutionCallback;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;

/// Chooses the CUDA engine for a class, and saves time on a GPU that is lost: once failed tests
/// took `-Dcrossdock.gpu.failureSeconds` (60) together, those behind them are skipped.
///
/// Safe for any thread.
final class CudaRun
    implements ExecutionCondition,
        BeforeAllCallback,
        AfterAllCallback,
        BeforeTestExecutionCallback,
        AfterTestExecutionCallback {
  private static final Namespace NAMESPACE = Namespace.create(CudaRun.class);
  private static final long LIMIT_NANOS =
      Duration.ofSeconds(Long.getLong("crossdock.gpu.failureSeconds", 60)).toNanos();
  private static final AtomicLong FAILED_NANOS = new AtomicLong();

  @Override
  public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
    long nanos = FAILED_NANOS.get();
    return nanos < LIMIT_NANOS
        ? ConditionEvaluationResult.enabled("failures took little time")
        : ConditionEvaluationResult.disabled(
            "given up after failures: failedSeconds=" + Duration.ofNanos(nanos).toSeconds());
  }

  @Override
  public void beforeAll(ExtensionContext context) {
    EngineUnderTest.use(GpuSupport.ENGINE);
  }

  @Override
  public void afterAll(ExtensionContext context) {
    EngineUnderTest.useDefault();
  }

  @Override
  public void beforeTestExecution(ExtensionContext context) {
    context.getStore(NAMESPACE).put(context.getUniqueId(), System.nanoTime());
  }

  @Override
  public void afterTestExecution(ExtensionContext context) {
    Long start = context.getStore(NAMESPACE).remove(context.getUniqueId(), Long.class);
    if (context.getExecutionException().isPresent()) {
      FAILED_NANOS.addAndGet(System.nanoTime() - start);
    }
  }
}
