package io.crossdock.host;

import io.crossdock.core.InvalidInputException;
import io.crossdock.core.NetworkCosts;
import io.crossdock.core.NetworkLoad;
import io.crossdock.core.protocol.NodePlace;
import io.crossdock.core.spi.Pieces;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/// Times the network alone: puts of chunks that lie side by side here, where a dispatch gathers
/// rows and what goes with them, and one signal behind all.
///
/// Confined to one call at a time; no call may be in flight on any rank.
final class NetworkProbe {
  /// Round trips of which the signal's time is taken, behind as many that warm up.
  private static final int ROUND_TRIPS = 2_000;

  /// Two to this power marks are more than there are between two resets.
  private static final int MARKS_OF_AN_EPOCH = 32;

  private final HostContext context;
  private final NodePlace place;
  private final NodeLayout layout;
  private final Pieces pieces = new Pieces();

  /// What was signalled last; the same on all ranks.
  private long mark;

  NetworkProbe(HostContext context) {
    this.context = context;
    this.place = context.place;
    this.layout = context.layout.nodes;
  }

  NetworkCosts measure(NetworkLoad load) {
    long bytes = Math.multiplyExact(heldRows(load), load.rowBytes());
    if (bytes > layout.chunkBytes) {
      throw new InvalidInputException(
          "row is larger than a landing: load=" + load + ", landingBytes=" + layout.chunkBytes);
    }
    try (Arena arena = Arena.ofShared()) {
      return measure(load, arena.allocate(bytes, 64).fill((byte) 0x3c));
    }
  }

  private NetworkCosts measure(NetworkLoad load, MemorySegment rows) {
    long[] rounds = new long[load.rounds()];
    try {
      for (int warm = 0; warm < 3; warm++) {
        round(load, rows);
      }
      for (int i = 0; i < rounds.length; i++) {
        long start = System.nanoTime();
        round(load, rows);
        rounds[i] = System.nanoTime() - start;
      }
      long[] signals = signals(rows);
      return new NetworkCosts(
          quantile(rounds, 0.5), quantile(signals, 0.5) / 2, quantile(signals, 0.99) / 2);
    } catch (RuntimeException | Error e) {
      context.network.release();
      throw e;
    }
  }

  /// Starts anew after an abort in which ranks may have come to different marks.
  ///
  /// @param start grows from reset to reset and is equal on all ranks
  void reset(long start) {
    mark = start << MARKS_OF_AN_EPOCH;
  }

  /// Rows that lie side by side in a landing; further ones are put over them.
  private long heldRows(NetworkLoad load) {
    return Math.clamp(layout.chunkBytes / load.rowBytes(), 1, load.rows());
  }

  private static double quantile(long[] nanos, double part) {
    if (nanos.length == 0) {
      return 0;
    }
    Arrays.sort(nanos);
    return nanos[(int) (part * (nanos.length - 1))];
  }

  private void round(NetworkLoad load, MemorySegment rows) {
    mark++;
    long held = heldRows(load);
    int count;
    for (int first = 0; first < load.rows(); first += count) {
      long place0 = first % held;
      count = (int) Math.min(load.chunkRows(), Math.min(load.rows() - first, held - place0));
      boolean last = first + count == load.rows();
      for (int i = 1; i < place.numNodes(); i++) {
        int node = (place.node() + i) % place.numNodes();
        long at = place0 * load.rowBytes();
        pieces.clear().add(rows, at, count * load.rowBytes());
        send(node, at, last);
      }
    }
    for (int node = 0; node < place.numNodes(); node++) {
      if (node != place.node()) {
        await(node);
      }
    }
    context.awaitSent();
  }

  private void send(int node, long at, boolean last) {
    int peer = place.onRail(node);
    context.network.put(peer, layout.chunks(node, place.node()) + at, pieces);
    if (last) {
      context.network.signal(peer, layout.probed(node, place.node()), mark);
    }
  }

  private void await(int node) {
    long cell = layout.probed(place.node(), node);
    context.waiter.startTurns();
    try {
      while (context.board.load(context.rank, cell) < mark) {
        context.waiter.turn(place.onRail(node), context.rank, cell, mark, Phase.ARRIVE);
      }
    } finally {
      context.waiter.endTurns();
    }
  }

  /// @return times of round trips on the two ranks that make them
  private long[] signals(MemorySegment word) {
    boolean asks = context.rank == 0;
    boolean takesPart = asks || context.rank == place.numLocalRanks();
    long[] nanos = new long[takesPart ? ROUND_TRIPS : 0];
    int other = asks ? 1 : 0;
    for (int i = -nanos.length; i < nanos.length; i++) {
      long start = System.nanoTime();
      mark++;
      if (asks) {
        ping(other, word);
        await(other);
      } else {
        await(other);
        ping(other, word);
      }
      if (i >= 0) {
        nanos[i] = System.nanoTime() - start;
      }
    }
    if (!takesPart) {
      mark += 2 * ROUND_TRIPS;
    }
    return nanos;
  }

  private void ping(int node, MemorySegment word) {
    pieces.clear().add(word, 0, 8);
    send(node, 0, true);
  }
}
