package io.crossdock.verify.harness;

import io.crossdock.verify.network.Forecast;
import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Inherited;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.extension.ExtendWith;

/// Runs a test class, and what it inherits, with ranks divided into nodes as [NodesUnderTest] says.
/// It is skipped, with the reason, where the transport cannot run.
@Documented
@Inherited
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.TYPE)
@ExtendWith(NodesRun.class)
public @interface OverNodes {
  /// {@return name of the transport; the default one is of threads alone}
  String transport() default "weather";

  /// {@return who writes into a target's region, if the transport is the default one}
  Forecast.Puts puts() default Forecast.Puts.EMULATED;
}
