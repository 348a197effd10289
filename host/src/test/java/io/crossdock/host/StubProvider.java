package io.crossdock.host;

import io.crossdock.core.spi.Availability;
import io.crossdock.core.spi.Transport;
import io.crossdock.core.spi.TransportProvider;
import io.crossdock.core.spi.TransportSettings;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;

/// Opens the transports that a test made.
///
/// Safe for any thread.
final class StubProvider implements TransportProvider {
  /// Makes the transport of a rank.
  ///
  /// Safe for any thread.
  interface Maker {
    /// {@return the transport that the rank opens next}
    ///
    /// @param rank whose
    /// @param round how many the rank opened before
    StubTransport make(int rank, int round);
  }

  /// What was opened.
  ///
  /// Safe for any thread.
  ///
  /// @param rank whose
  /// @param transport which
  /// @param region memory that it may write to
  record Opened(int rank, StubTransport transport, MemorySegment region) {}

  private final Queue<Opened> opened = new ConcurrentLinkedQueue<>();
  private final Maker maker;

  StubProvider(Maker maker) {
    this.maker = maker;
  }

  List<Opened> opened(int rank) {
    return opened.stream().filter(one -> one.rank == rank).toList();
  }

  List<Opened> opened() {
    return List.copyOf(opened);
  }

  @Override
  public String name() {
    return "stub";
  }

  @Override
  public int priority() {
    return 0;
  }

  @Override
  public Availability probe() {
    return new Availability("stub", List.of());
  }

  @Override
  public Transport open(TransportSettings settings, MemorySegment region) {
    int rank = settings.rank();
    StubTransport transport = maker.make(rank, opened(rank).size());
    opened.add(new Opened(rank, transport, region));
    return transport;
  }
}
