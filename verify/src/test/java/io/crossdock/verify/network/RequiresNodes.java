package io.crossdock.verify.network;

import io.crossdock.core.EngineInfo;
import io.crossdock.core.Transports;
import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import java.util.List;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.extension.ExtensionContext;

/// Marks tests whose ranks are processes of several nodes: they skip themselves with the reason
/// where UCX cannot run. Whether two nodes can be made here, [TwoNodes#open] finds out.
@Documented
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.TYPE)
@ExtendWith(RequiresNodes.Condition.class)
@interface RequiresNodes {

  /// What [RequiresNodes] puts before a test.
  ///
  /// Safe for any thread.
  final class Condition implements ExecutionCondition {
    private static final String TRANSPORT = "ucx";

    @Override
    public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
      List<EngineInfo> found =
          Transports.list().stream().filter(info -> info.name().equals(TRANSPORT)).toList();
      if (found.isEmpty()) {
        return ConditionEvaluationResult.disabled("no UCX: not in this build");
      }
      return found.getFirst().isAvailable()
          ? ConditionEvaluationResult.enabled("UCX can run")
          : ConditionEvaluationResult.disabled(
              "no UCX: " + String.join(", ", found.getFirst().reasons()));
    }
  }
}
