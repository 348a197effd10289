package io.crossdock.host;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.Mode;
import io.crossdock.core.WindowAllocationException;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.core.protocol.Entry;
import io.crossdock.core.protocol.NodePlace;
import io.crossdock.core.protocol.ProtocolState;
import io.crossdock.core.protocol.WindowSet;
import io.crossdock.core.spi.EngineBackend;
import io.crossdock.core.spi.EngineSession;
import io.crossdock.core.spi.TransportChoice;
import io.crossdock.core.spi.TransportProvider;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.function.Supplier;

/// The CPU engine: ranks of a node are threads or processes of one machine, windows are shared
/// memory; other nodes are reached through a transport.
///
/// Safe for any thread.
final class HostEngine implements EngineBackend {
  static final String NAME = "host";
  private static final String FAILED = "!";

  private final Supplier<TransportProvider> transports;

  HostEngine() {
    this(TransportChoice::pick);
  }

  /// @param transports tells which transport to take between nodes
  HostEngine(Supplier<TransportProvider> transports) {
    this.transports = transports;
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public boolean supports(Mode mode) {
    return true;
  }

  @Override
  public EngineSession openSession(BufferSpec spec, ProcessGroup group) {
    NodePlace place = new NodePlace(group.rank(), group.size(), group.localSize());
    WindowLayout layout = WindowLayout.of(spec, place);
    Arena arena = Arena.ofShared();
    WaitTimes times = new WaitTimes(group.size());
    Networks networks = null;
    try {
      Mapped mapped = exchange(layout, group, arena, times);
      if (place.numNodes() > 1) {
        NodeMemory memory = new NodeMemory(layout.nodes, mapped.pages[place.rank()], arena);
        networks = new Networks(spec, group, memory, transports);
        networks.open();
      }
      HostContext context = context(spec, place, mapped, times, networks);
      return new HostSession(context, group, new Holdings(arena, times, networks));
    } catch (RuntimeException | Error e) {
      // What cannot be closed is told beside the first failure, and keeps nothing else open.
      try (Holdings _ = new Holdings(arena, times, networks)) {
        throw e;
      }
    }
  }

  /// The mapped memory of every rank and the process it belongs to.
  private record Mapped(WindowLayout layout, MemorySegment[] pages, long[] pids) {}

  private static HostContext context(
      BufferSpec spec, NodePlace place, Mapped mapped, WaitTimes times, Networks networks) {
    Entry[] entries = new Entry[place.numRanks()];
    for (int peer = 0; peer < entries.length; peer++) {
      entries[peer] = new Entry(place.numRanks(), spec.numExperts());
    }
    ProtocolState protocol =
        new ProtocolState(
            place,
            entries,
            new WindowSet(spec.numReceiveWindows()),
            new WindowSet(spec.numOutputWindows()));
    Board board = new Board(mapped.layout, mapped.pages, place.rank());
    Waiter waiter = new Waiter(board, protocol, mapped.pids, spec.hostTimeout(), times);
    Network network = networks == null ? null : networks.normal();
    if (network != null) {
      board.mirror(network);
      waiter.reach(network, place);
    }
    int autoWorkers = HostRates.workers(place.numLocalRanks());
    HostContext.Mapping mapping =
        new HostContext.Mapping(place, mapped.pages, board, network, autoWorkers);
    return new HostContext(spec, mapping, protocol, waiter);
  }

  /// Makes this rank's memory and maps that of all near peers; the pages of far ones are mirrors in
  /// this rank's. If one rank cannot, all fail and say whose.
  private static Mapped exchange(
      WindowLayout layout, ProcessGroup group, Arena arena, WaitTimes times) {
    SharedMemory own = null;
    try {
      String offer;
      try {
        own = SharedMemory.create(SharedMemory.WINDOWS, layout.byteSize, group.rank());
        times.share(WaitHistogram.create(group.rank(), group.size(), arena));
        offer = ProcessHandle.current().pid() + " " + own.link();
      } catch (RuntimeException | OutOfMemoryError e) {
        offer = FAILED + e.getMessage();
      }
      Mapped mapped = new Mapped(layout, new MemorySegment[group.size()], new long[group.size()]);
      NodePlace place = new NodePlace(group.rank(), group.size(), group.localSize());
      String outcome = map(gather(group, offer), mapped, place, arena);
      gather(group, outcome);
      return mapped;
    } finally {
      if (own != null) {
        own.close();
      }
    }
  }

  private static String[] gather(ProcessGroup group, String mine) {
    byte[][] all = group.allGather(mine.getBytes(StandardCharsets.UTF_8));
    String[] texts = new String[all.length];
    for (int peer = 0; peer < all.length; peer++) {
      texts[peer] = new String(all[peer], StandardCharsets.UTF_8);
      if (texts[peer].startsWith(FAILED)) {
        String reason = texts[peer].substring(FAILED.length());
        throw new WindowAllocationException(
            "a rank has no windows: peer=" + peer + ", reason=" + reason);
      }
    }
    return texts;
  }

  private static String map(String[] offers, Mapped mapped, NodePlace place, Arena arena) {
    WindowLayout layout = mapped.layout;
    try {
      for (int peer = place.firstNear(); peer < place.endNear(); peer++) {
        int space = offers[peer].indexOf(' ');
        mapped.pids[peer] = Long.parseLong(offers[peer].substring(0, space));
        String link = offers[peer].substring(space + 1);
        mapped.pages[peer] = SharedMemory.map(link, layout.byteSize, arena);
      }
      for (int peer = 0; peer < offers.length; peer++) {
        if (!place.isNear(peer)) {
          long mirror = layout.nodes.mirror(peer);
          mapped.pages[peer] = mapped.pages[place.rank()].asSlice(mirror, layout.cellBytes);
        }
      }
      return "";
    } catch (WindowAllocationException e) {
      return FAILED + e.getMessage();
    }
  }
}
