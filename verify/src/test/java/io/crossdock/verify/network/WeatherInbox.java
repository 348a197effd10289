package io.crossdock.verify.network;

import io.crossdock.core.spi.Pieces;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;
import java.util.function.BiConsumer;

/// One rank's region and what is under way to it, peer by peer.
///
/// Safe for any thread; its own monitor is the lock.
final class WeatherInbox {
  private static final int MOST_AT_ONCE = 32;

  private final MemorySegment region;
  private final WeatherLink[] links;
  private final SplittableRandom random;
  private boolean closed;
  private volatile long nextDue = Long.MAX_VALUE;

  WeatherInbox(MemorySegment region, int numRanks, SplittableRandom random) {
    this.region = region;
    this.links = new WeatherLink[numRanks];
    this.random = random;
  }

  long byteSize() {
    return region.byteSize();
  }

  /// A peer wants to put from now on. Does nothing if this inbox is closed.
  synchronized void connect(int source, WeatherLink link, long now) {
    if (!closed) {
      links[source] = link;
      link.hello(now);
      nextDue = Math.min(nextDue, link.nextDue());
    }
  }

  synchronized boolean isClosed() {
    return closed;
  }

  /// {@return true once the peer's wish arrived here}
  synchronized boolean isConnected(int source) {
    return links[source] != null && links[source].isHelloTaken();
  }

  /// {@return parts whose source memory is needed longer}
  synchronized int put(int source, long offset, Pieces pieces, SplittableRandom torn) {
    if (closed) {
      return 0;
    }
    long now = System.nanoTime();
    int needed = links[source].put(offset, pieces, torn, now);
    nextDue = now;
    return needed;
  }

  synchronized void signal(int source, long offset, long value) {
    if (!closed) {
      long now = System.nanoTime();
      links[source].signal(offset, value, now);
      nextDue = now;
    }
  }

  /// Lands some of what may land now, peers in turn from a random one on.
  ///
  /// @return how much
  synchronized int land() {
    if (closed) {
      return 0;
    }
    int most = 1 + random.nextInt(MOST_AT_ONCE);
    int landed = 0;
    long now = System.nanoTime();
    int from = random.nextInt(links.length);
    for (int i = 0; i < links.length; i++) {
      WeatherLink link = links[(from + i) % links.length];
      for (int n = 0; link != null && n < most && link.land(region, random, now); n++) {
        landed++;
      }
    }
    nextDue = landed > 0 ? now : soonest();
    return landed;
  }

  private long soonest() {
    long soonest = Long.MAX_VALUE;
    for (WeatherLink link : links) {
      soonest = link == null ? soonest : Math.min(soonest, link.nextDue());
    }
    return soonest;
  }

  /// {@return when it is worth the while to land; [Long#MAX_VALUE] if nothing is under way}
  long nextDue() {
    return nextDue;
  }

  synchronized boolean isEmpty(int source) {
    return closed || links[source] == null || links[source].isEmpty();
  }

  /// The peer sends no more.
  synchronized void end(int source, String reason) {
    if (links[source] != null) {
      links[source].end(reason);
      nextDue = System.nanoTime();
    }
  }

  /// Tells of peers that send no more and of which all has landed.
  synchronized void forEachEnded(BiConsumer<Integer, String> told) {
    for (int source = 0; source < links.length; source++) {
      String reason = links[source] == null ? null : links[source].endedBecause();
      if (reason != null) {
        told.accept(source, reason);
      }
    }
  }

  synchronized void hold(int source, boolean whether) {
    if (links[source] != null) {
      links[source].hold(whether);
      nextDue = System.nanoTime();
    }
  }

  /// Loses all that is under way from a peer, and all that it puts later.
  synchronized void shut(int source) {
    if (links[source] != null) {
      links[source].shut();
    }
  }

  /// Loses all that is under way; nothing is written into the region any more.
  synchronized void close() {
    closed = true;
    for (WeatherLink link : links) {
      if (link != null) {
        link.shut();
      }
    }
  }
}
