package io.crossdock.verify.network;

import io.crossdock.ffi.NativeCallException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Comparator;
import java.util.PriorityQueue;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicLong;

/// One direction of a [Cable]: takes packets from one interface and gives them to the other one as
/// the weather allows.
///
/// Runs on a thread of its own; the weather, the counters and the end are safe for any thread.
final class CableEnd implements Runnable {
  private static final long SECOND = 1_000_000_000L;
  private static final long MILLI = 1_000_000L;
  private static final int MAX_WAIT_MILLIS = 20;

  private static final int ALL_PORTS = -1;

  // IPv4: words of the header in the low half of the first byte; TCP: ports of both sides
  private static final long BYTES_A_WORD = 4;
  private static final int WORDS = 0xF;
  private static final ValueLayout.OfShort PORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

  /// What waits for a slow line at most.
  private static final long QUEUE_BYTES = 256 << 10;

  private final Tun from;
  private final Tun to;
  private final SplittableRandom random;
  private final PriorityQueue<Packet> underWay =
      new PriorityQueue<>(Comparator.comparingLong(Packet::due).thenComparingLong(Packet::number));
  private final AtomicLong passed = new AtomicLong();
  private final AtomicLong lost = new AtomicLong();
  private volatile LinkWeather weather = LinkWeather.FAIR;
  private volatile int onlyPort = ALL_PORTS;
  private volatile boolean ended;
  private volatile String problem = "";
  private long lineFree;
  private long numPackets;

  /// A packet that arrives later.
  ///
  /// @param due when
  /// @param number in the order in which packets came
  /// @param bytes of it
  private record Packet(long due, long number, MemorySegment bytes) {}

  CableEnd(Tun from, Tun to, long seed) {
    this.from = from;
    this.to = to;
    this.random = new SplittableRandom(seed);
  }

  void set(LinkWeather next) {
    weather = next;
  }

  void passOnly(int port) {
    onlyPort = port;
  }

  long passed() {
    return passed.get();
  }

  long lost() {
    return lost.get();
  }

  /// {@return why it stopped; empty if it was told to, or goes on}
  String problem() {
    return problem;
  }

  void end() {
    ended = true;
  }

  @Override
  public void run() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment packet = arena.allocate(Tun.MAX_PACKET_BYTES);
      while (!ended) {
        int bytes = from.read(packet);
        if (bytes > 0) {
          accept(packet, bytes);
        }
        deliverDue(packet);
        if (bytes == 0) {
          from.await(millisToNext());
        }
      }
    } catch (NativeCallException e) {
      problem = e.toString();
    }
  }

  private void accept(MemorySegment packet, int bytes) {
    if (!isAllowed(packet)) {
      lost.incrementAndGet();
      return;
    }
    LinkWeather now = weather;
    if (now.isFair() && underWay.isEmpty()) {
      write(packet, bytes);
      return;
    }
    long time = System.nanoTime();
    long queued = now.bytesPerSecond() == Long.MAX_VALUE ? 0 : Math.max(0, lineFree - time);
    boolean full = queued > QUEUE_BYTES * (double) SECOND / now.bytesPerSecond();
    if (!now.connected() || full || random.nextInt(1000) < now.lossPerMille()) {
      lost.incrementAndGet();
      return;
    }
    long onLine = (long) (bytes * (double) SECOND / now.bytesPerSecond());
    lineFree = time + queued + onLine;
    long extra = now.jitterNanos() == 0 ? 0 : random.nextLong(now.jitterNanos());
    MemorySegment copy = MemorySegment.ofArray(new byte[bytes]);
    copy.copyFrom(packet.asSlice(0, bytes));
    underWay.add(new Packet(lineFree + now.delayNanos() + extra, numPackets++, copy));
  }

  private boolean isAllowed(MemorySegment packet) {
    int port = onlyPort;
    if (port == ALL_PORTS) {
      return true;
    }
    long ports = (packet.get(ValueLayout.JAVA_BYTE, 0) & WORDS) * BYTES_A_WORD;
    int source = Short.toUnsignedInt(packet.get(PORT, ports));
    int target = Short.toUnsignedInt(packet.get(PORT, ports + Short.BYTES));
    return source == port || target == port;
  }

  private void deliverDue(MemorySegment scratch) {
    while (!underWay.isEmpty() && underWay.peek().due - System.nanoTime() <= 0) {
      MemorySegment bytes = underWay.remove().bytes;
      if (weather.connected()) {
        scratch.copyFrom(bytes);
        write(scratch, (int) bytes.byteSize());
      } else {
        lost.incrementAndGet();
      }
    }
  }

  private void write(MemorySegment packet, int bytes) {
    (to.write(packet, bytes) ? passed : lost).incrementAndGet();
  }

  private int millisToNext() {
    if (underWay.isEmpty()) {
      return MAX_WAIT_MILLIS;
    }
    long millis = Math.ceilDiv(underWay.peek().due - System.nanoTime(), MILLI);
    return Math.clamp(millis, 0, MAX_WAIT_MILLIS);
  }
}
