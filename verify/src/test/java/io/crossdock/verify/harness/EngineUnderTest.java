package io.crossdock.verify.harness;

import io.crossdock.core.BufferSpecBuilder;
import io.crossdock.core.Engine;
import io.crossdock.core.Engines;
import java.time.Duration;

/// The engine that suites for all engines run on: `-Dcrossdock.engine=NAME`, by default the host's,
/// unless a test class asks for the GPU with [OnCuda].
///
/// Safe for any thread; one test class at a time chooses.
public final class EngineUnderTest {
  static final String PROPERTY = "crossdock.engine";
  private static final String DEFAULT = System.getProperty(PROPERTY, "host");
  private static final Duration GPU_TIMEOUT = Duration.ofSeconds(10);

  private static volatile String name = DEFAULT;

  private EngineUnderTest() {}

  /// {@return its name}
  public static String name() {
    return name;
  }

  /// {@return true on a GPU}
  public static boolean isCuda() {
    return name.equals(GpuSupport.ENGINE);
  }

  /// {@return the engine}
  public static Engine open() {
    return Engines.open(name);
  }

  /// Bounds the waits of a buffer: on a GPU tightly, since many tests share little time there.
  ///
  /// @param spec changed
  /// @param hostTimeout on the host engine
  /// @return the spec
  public static BufferSpecBuilder bounded(BufferSpecBuilder spec, Duration hostTimeout) {
    Duration host = isCuda() ? GPU_TIMEOUT.multipliedBy(2) : hostTimeout;
    return spec.hostTimeout(host).gpuTimeout(GPU_TIMEOUT);
  }

  static void use(String engine) {
    name = engine;
  }

  static void useDefault() {
    name = DEFAULT;
  }
}
