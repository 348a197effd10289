package io.crossdock.ucx;

import io.crossdock.core.EngineUnavailableException;
import io.crossdock.core.Mode;
import io.crossdock.core.spi.Availability;
import io.crossdock.core.spi.Transport;
import io.crossdock.core.spi.TransportProvider;
import io.crossdock.core.spi.TransportSettings;
import io.crossdock.ucx.binding.Context;
import io.crossdock.ucx.binding.Library;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/// Offers UCX as the transport between nodes.
///
/// Safe for any thread.
public final class UcxTransportProvider implements TransportProvider {
  private static final String NAME = "ucx";
  private static final int PRIORITY = 100;

  /// Creates the provider; loads nothing.
  public UcxTransportProvider() {}

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public int priority() {
    return PRIORITY;
  }

  @Override
  public Availability probe() {
    try {
      List<String> reasons = Library.reasons();
      if (!reasons.isEmpty()) {
        return new Availability("no UCX", reasons);
      }
      return new Availability("UCX " + Context.version() + kinds(), List.of());
    } catch (RuntimeException | LinkageError e) {
      return new Availability("no UCX", List.of("probe failed: error=" + e));
    }
  }

  private static String kinds() {
    StringBuilder text = new StringBuilder();
    for (Mode mode : Mode.values()) {
      ModeSettings settings = ModeSettings.of(mode);
      text.append(", ").append(settings.word()).append('=').append(settings.puts().word());
    }
    return text.toString();
  }

  @Override
  public List<String> details() {
    List<String> lines = new ArrayList<>();
    try {
      if (!Library.reasons().isEmpty()) {
        return Library.reasons();
      }
      String devices = ModeSettings.devices();
      lines.add("version=" + Context.version());
      lines.add("InfiniBand and RoCE devices=" + (devices.isEmpty() ? "none" : devices));
      for (Mode mode : Mode.values()) {
        lines.addAll(Details.of(ModeSettings.of(mode)));
      }
    } catch (RuntimeException | LinkageError e) {
      lines.add("details failed: error=" + e);
    }
    return lines;
  }

  @Override
  public Transport open(TransportSettings settings, MemorySegment region) {
    Availability found = probe();
    if (!found.isAvailable()) {
      throw new EngineUnavailableException("transport " + NAME, found.reasons());
    }
    return UcxTransport.open(settings, region);
  }
}
