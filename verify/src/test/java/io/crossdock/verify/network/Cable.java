package io.crossdock.verify.network;

import java.time.Duration;
import java.util.List;

/// Carries packets between two interfaces, and does to them what a bad network does.
///
/// The weather is safe for any thread; closing is confined to the thread of the test.
final class Cable implements AutoCloseable {
  private static final Duration END = Duration.ofSeconds(10);

  private final List<Tun> interfaces;
  private final List<CableEnd> ends;
  private final List<Thread> threads;

  /// Plugs the cable in.
  ///
  /// @param interfaces of node 0 and node 1; closed with the cable
  /// @param seed of what happens at random
  Cable(List<Tun> interfaces, long seed) {
    this.interfaces = interfaces;
    this.ends =
        List.of(
            new CableEnd(interfaces.getFirst(), interfaces.getLast(), seed),
            new CableEnd(interfaces.getLast(), interfaces.getFirst(), ~seed));
    this.threads =
        ends.stream().map(end -> Thread.ofPlatform().daemon().name("cable").start(end)).toList();
  }

  /// Changes the weather of both directions.
  ///
  /// @param weather from now on
  void set(LinkWeather weather) {
    ends.forEach(end -> end.set(weather));
  }

  /// Changes the weather of what one node sends.
  ///
  /// @param fromNode 0 or 1
  /// @param weather from now on
  void set(int fromNode, LinkWeather weather) {
    ends.get(fromNode).set(weather);
  }

  /// Loses all that is not TCP over IPv4 from or to one port, as a firewall does.
  ///
  /// @param port that may be reached on both nodes
  void passOnly(int port) {
    ends.forEach(end -> end.passOnly(port));
  }

  /// {@return packets of a node that arrived}
  ///
  /// @param fromNode 0 or 1
  long passed(int fromNode) {
    return ends.get(fromNode).passed();
  }

  /// {@return packets of a node that were lost}
  ///
  /// @param fromNode 0 or 1
  long lost(int fromNode) {
    return ends.get(fromNode).lost();
  }

  /// Unplugs it and removes both interfaces; fails if it stopped carrying before.
  @Override
  public void close() {
    ends.forEach(CableEnd::end);
    for (Thread thread : threads) {
      join(thread);
    }
    interfaces.forEach(Tun::close);
    for (CableEnd end : ends) {
      if (!end.problem().isEmpty()) {
        throw new AssertionError("cable stopped: cause=" + end.problem());
      }
    }
  }

  private static void join(Thread thread) {
    boolean gone = false;
    try {
      gone = thread.join(END);
    } catch (InterruptedException _) {
      Thread.currentThread().interrupt();
    }
    if (!gone) {
      throw new AssertionError("cable does not end: thread=" + thread);
    }
  }
}
