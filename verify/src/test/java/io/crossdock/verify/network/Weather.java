package io.crossdock.verify.network;

import io.crossdock.core.Mode;
import io.crossdock.core.spi.TransportSettings;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicLong;

/// The network of this process that the transport `weather` runs over: its forecast, what its
/// callers did wrong, and how to disturb it.
///
/// Safe for any thread; one test at a time uses it.
public final class Weather {
  /// Puts as over TCP, and delays that show without making tests slow.
  public static final Forecast USUAL =
      new Forecast(
          Forecast.Puts.EMULATED, Duration.ofMillis(1), Long.getLong("crossdock.seed", 20_261_126));

  private static final Map<Long, WeatherTransport> OPEN = new ConcurrentHashMap<>();
  private static final Queue<String> WRONGS = new ConcurrentLinkedQueue<>();
  private static final AtomicLong OPENED = new AtomicLong();

  private static volatile Forecast forecast = USUAL;

  private Weather() {}

  /// {@return what transports are opened with}
  public static Forecast forecast() {
    return forecast;
  }

  /// Sets what transports are opened with from now on, and forgets what callers did wrong.
  ///
  /// @param next the forecast
  public static void forecast(Forecast next) {
    forecast = next;
    WRONGS.clear();
  }

  static WeatherTransport open(TransportSettings settings, MemorySegment region) {
    long id = OPENED.incrementAndGet();
    WeatherTransport opened = new WeatherTransport(id, settings, region, forecast);
    OPEN.put(id, opened);
    opened.start();
    return opened;
  }

  static WeatherTransport find(long id) {
    return OPEN.get(id);
  }

  static void closed(long id) {
    OPEN.remove(id);
  }

  /// {@return transports that are open}
  public static int numOpen() {
    return OPEN.size();
  }

  /// {@return what the open transports were opened for, in no order}
  static List<TransportSettings> settings() {
    return OPEN.values().stream().map(WeatherTransport::settings).toList();
  }

  /// Takes down what a caller of a transport did wrong.
  static void report(String wrong) {
    WRONGS.add(wrong + ", seed=" + forecast.seed());
  }

  /// {@return what callers of transports did wrong since this was asked last}
  public static List<String> takeWrongs() {
    List<String> taken = new ArrayList<>();
    for (String wrong = WRONGS.poll(); wrong != null; wrong = WRONGS.poll()) {
      taken.add(wrong);
    }
    return taken;
  }

  /// Cuts two ranks off from each other for ever; both are told at once.
  ///
  /// @param rank one
  /// @param peer the other
  public static void cut(int rank, int peer) {
    for (WeatherTransport transport : OPEN.values()) {
      transport.cut(rank, peer);
    }
  }

  /// Holds back all that goes from one rank to another, and whoever waits for it is not told why.
  ///
  /// @param rank who sends
  /// @param peer who receives
  /// @param whether false lets go again
  public static void hold(int rank, int peer, boolean whether) {
    for (WeatherTransport transport : OPEN.values()) {
      transport.hold(rank, peer, whether);
    }
  }

  /// Lets the open transports of a rank need memory for ever, as if something stayed under way.
  ///
  /// @param rank whose
  public static void cling(int rank) {
    OPEN.values().stream()
        .filter(transport -> transport.settings().rank() == rank)
        .forEach(WeatherTransport::cling);
  }

  /// {@return bytes that a rank sent on the open transports of a mode}
  ///
  /// @param mode whose traffic
  /// @param rank who sent
  public static long sentBytes(Mode mode, int rank) {
    return OPEN.values().stream()
        .filter(transport -> transport.isOf(mode, rank))
        .mapToLong(WeatherTransport::sentSoFar)
        .sum();
  }

  /// {@return bytes that a rank sent to another one on the open transports of a mode}
  ///
  /// @param mode whose traffic
  /// @param rank who sent
  /// @param peer to whom
  public static long sentBytes(Mode mode, int rank, int peer) {
    return OPEN.values().stream()
        .filter(transport -> transport.isOf(mode, rank))
        .mapToLong(transport -> transport.sentSoFar(peer))
        .sum();
  }

  /// {@return operations of a rank whose source memory is still needed, on the open transports of a
  /// mode; to be asked while that rank makes no call}
  ///
  /// @param mode whose traffic
  /// @param rank who sent
  public static int pending(Mode mode, int rank) {
    return OPEN.values().stream()
        .filter(transport -> transport.isOf(mode, rank))
        .mapToInt(WeatherTransport::pendingNow)
        .sum();
  }
}
