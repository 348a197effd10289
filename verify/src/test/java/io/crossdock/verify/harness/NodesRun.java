package io.crossdock.verify.harness;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.EngineInfo;
import io.crossdock.core.Transports;
import io.crossdock.verify.network.Weather;
import io.crossdock.verify.network.WeatherProvider;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.platform.commons.support.AnnotationSupport;

/// Divides ranks into nodes while a class with [OverNodes] runs. A test fails if the test transport
/// was used against its contract, or was left open.
///
/// Safe for any thread.
final class NodesRun
    implements ExecutionCondition,
        BeforeAllCallback,
        AfterAllCallback,
        BeforeEachCallback,
        AfterEachCallback {
  private static OverNodes choice(ExtensionContext context) {
    return AnnotationSupport.findAnnotation(context.getRequiredTestClass(), OverNodes.class)
        .orElseThrow();
  }

  @Override
  public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
    String name = choice(context).transport();
    if (name.equals(WeatherProvider.NAME)) {
      return ConditionEvaluationResult.enabled("made for tests");
    }
    for (EngineInfo found : Transports.list()) {
      if (found.name().equals(name)) {
        return found.reasons().isEmpty()
            ? ConditionEvaluationResult.enabled(found.toString())
            : ConditionEvaluationResult.disabled("transport " + name + ": " + found.reasons());
      }
    }
    return ConditionEvaluationResult.disabled("transport " + name + ": not in this build");
  }

  @Override
  public void beforeAll(ExtensionContext context) {
    NodesUnderTest.use(choice(context).transport());
  }

  @Override
  public void afterAll(ExtensionContext context) {
    NodesUnderTest.useDefault();
    Weather.forecast(Weather.USUAL);
  }

  @Override
  public void beforeEach(ExtensionContext context) {
    Weather.forecast(Weather.USUAL.withPuts(choice(context).puts()));
  }

  @Override
  public void afterEach(ExtensionContext context) {
    assertThat(Weather.takeWrongs()).as("wrong use of the transport").isEmpty();
    if (context.getExecutionException().isEmpty()) {
      assertThat(Weather.numOpen()).as("transports left open").isZero();
    }
  }
}
