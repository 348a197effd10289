package io.crossdock.verify.network;

import io.crossdock.core.spi.Pieces;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicInteger;

/// What is under way from one rank to another.
///
/// Parts that were put after a signal may land before it, but not before the parts and signals that
/// lie ahead of that signal: as behind a fence of a real network.
///
/// Confined to the lock of the target's inbox.
final class WeatherLink {
  private static final int MOST_PARTS = 4;

  private final int source;
  private final int target;
  private final ArrayDeque<WeatherBatch> batches = new ArrayDeque<>();
  private final ArrayDeque<WeatherBatch> spare = new ArrayDeque<>();

  /// Of the source: parts that landed, which it has not noticed.
  private final AtomicInteger landed;

  private final WeatherDelays delays;
  private long helloDue = Long.MAX_VALUE;
  private boolean helloTaken;
  private boolean held;
  private boolean shut;
  private String ended;

  WeatherLink(int source, int target, AtomicInteger landed, WeatherDelays delays) {
    this.source = source;
    this.target = target;
    this.landed = landed;
    this.delays = delays;
  }

  void hello(long now) {
    helloDue = now + delays.next();
  }

  boolean isHelloTaken() {
    return helloTaken;
  }

  /// Lets nothing land until it is called with false.
  void hold(boolean whether) {
    held = whether;
  }

  boolean isEmpty() {
    for (WeatherBatch batch : batches) {
      if (batch.count() > 0 || batch.isSealed()) {
        return false;
      }
    }
    return true;
  }

  /// The source sends no more: once all has landed, the target is told why.
  void end(String reason) {
    ended = reason;
  }

  /// {@return why the source sends no more, once all that it sent has landed; else null}
  String endedBecause() {
    return ended != null && !held && isEmpty() ? ended : null;
  }

  /// Takes pieces in.
  ///
  /// @return parts whose source memory is needed longer
  int put(long remoteOffset, Pieces pieces, SplittableRandom random, long now) {
    if (shut) {
      return 0;
    }
    WeatherBatch batch = open();
    int needed = 0;
    long offset = remoteOffset;
    for (int piece = 0; piece < pieces.count(); piece++) {
      long address = pieces.address(piece);
      long rest = pieces.size(piece);
      for (int parts = 1 + random.nextInt(MOST_PARTS); rest > 0; parts--) {
        long bytes = parts <= 1 ? rest : 1 + random.nextLong(rest);
        boolean early = random.nextInt(4) == 0;
        batch.add(address, offset, bytes, early, now + delays.next());
        needed += early ? 0 : 1;
        address += bytes;
        offset += bytes;
        rest -= bytes;
      }
    }
    return needed;
  }

  void signal(long remoteOffset, long value, long now) {
    if (!shut) {
      open().seal(remoteOffset, value, now + delays.next());
      delays.change();
    }
  }

  private WeatherBatch open() {
    WeatherBatch last = batches.peekLast();
    if (last == null || last.isSealed()) {
      last = spare.isEmpty() ? new WeatherBatch() : spare.pop();
      last.clear();
      batches.addLast(last);
    }
    return last;
  }

  /// Lands one thing that may land now.
  ///
  /// @return false if there is none
  boolean land(MemorySegment region, SplittableRandom random, long now) {
    if (held) {
      return false;
    }
    if (!helloTaken && helloDue - now <= 0) {
      helloTaken = true;
      return true;
    }
    WeatherBatch first = batches.peekFirst();
    if (first == null) {
      return false;
    }
    if (first.count() > 0 || !first.isSealed()) {
      return landPart(first, region, random, now);
    }
    WeatherBatch second = second();
    boolean signal = first.isSignalDue(now) && random.nextInt(4) > 0;
    if (!signal && second != null && landPart(second, region, random, now)) {
      return true;
    }
    if (first.isSignalDue(now)) {
      first.landSignal(region);
      spare.push(batches.removeFirst());
      return true;
    }
    return false;
  }

  private WeatherBatch second() {
    int index = 0;
    for (WeatherBatch batch : batches) {
      if (index++ == 1) {
        return batch;
      }
    }
    return null;
  }

  private boolean landPart(
      WeatherBatch batch, MemorySegment region, SplittableRandom random, long now) {
    int part = batch.pick(random, now);
    if (part < 0) {
      return false;
    }
    if (batch.land(part, region, this)) {
      landed.incrementAndGet();
    }
    return true;
  }

  /// {@return when something may land, if nothing comes before}
  long nextDue() {
    if (held) {
      return Long.MAX_VALUE;
    }
    long next = helloTaken ? Long.MAX_VALUE : helloDue;
    WeatherBatch first = batches.peekFirst();
    if (first == null) {
      return next;
    }
    next = Math.min(next, first.nextDue());
    WeatherBatch second = first.count() == 0 && first.isSealed() ? second() : null;
    return second == null || second.count() == 0 ? next : Math.min(next, second.nextDue());
  }

  /// Loses all that is under way, and all that is put later.
  void shut() {
    shut = true;
    for (WeatherBatch batch : batches) {
      landed.addAndGet(batch.numNeeded());
    }
    batches.clear();
  }

  void report(String what, long offset, long bytes) {
    Weather.report(
        what
            + ": rank="
            + source
            + ", peer="
            + target
            + ", remoteOffset="
            + offset
            + ", bytes="
            + bytes);
  }
}
