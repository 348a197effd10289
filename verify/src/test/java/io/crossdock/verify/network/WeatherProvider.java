package io.crossdock.verify.network;

import io.crossdock.core.spi.Availability;
import io.crossdock.core.spi.Transport;
import io.crossdock.core.spi.TransportChoice;
import io.crossdock.core.spi.TransportProvider;
import io.crossdock.core.spi.TransportSettings;
import java.lang.foreign.MemorySegment;
import java.util.List;

/// The test transport `weather`; runs when it is asked for by name alone.
///
/// Safe for any thread.
public final class WeatherProvider implements TransportProvider {
  /// Its name.
  public static final String NAME = "weather";

  /// Found by [java.util.ServiceLoader].
  public WeatherProvider() {}

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public int priority() {
    return Integer.MIN_VALUE;
  }

  @Override
  public Availability probe() {
    boolean asked = NAME.equals(System.getProperty(TransportChoice.PROPERTY));
    return new Availability(
        "weather between threads", asked ? List.of() : List.of("runs when asked for by name"));
  }

  @Override
  public Transport open(TransportSettings settings, MemorySegment region) {
    return Weather.open(settings, region);
  }
}
