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
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;

/// The CPU engine: ranks of a node are threads or processes of one machine, windows are shared
/// memory; other nodes are reached through a transport.
///
/// Safe for any thread.
final class HostEngine implements EngineBackend {
  static final String NAME = "host";

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
    JointSteps together = new JointSteps(group, HostEngine::failure);
    Holdings holdings = new Holdings(group.size());
    AtomicReference<HostSession> session = new AtomicReference<>();
    try {
      Mapped mapped = exchange(layout, place, together, holdings);
      if (place.numNodes() > 1) {
        MemorySegment page = mapped.pages[place.rank()];
        NodeMemory memory = new NodeMemory(layout.nodes, page, holdings.arena());
        holdings.hold(new Networks(spec, group, memory, transports));
        holdings.networks().open();
      }
      together.take(() -> {
        HostContext context = context(spec, place, mapped, holdings);
        session.set(new HostSession(context, group, holdings));
        return JointSteps.NOTHING;
      });
      return session.get();
    } catch (RuntimeException | Error e) {
      closeAfter(e, session.get() == null ? holdings::close : session.get()::close);
      throw e;
    }
  }

  private static RuntimeException failure(int peer, String reason, Throwable cause) {
    return new WindowAllocationException(
        "a rank has no windows: peer=" + peer + ", reason=" + reason, cause);
  }

  private static void closeAfter(Throwable cause, Runnable close) {
    try {
      close.run();
    } catch (RuntimeException | Error e) {
      cause.addSuppressed(e);
    }
  }

  /// The mapped memory of every rank and the process it belongs to.
  private record Mapped(WindowLayout layout, MemorySegment[] pages, long[] pids) {}

  private static HostContext context(
      BufferSpec spec, NodePlace place, Mapped mapped, Holdings holdings) {
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
    Waiter waiter = new Waiter(board, protocol, mapped.pids, spec.hostTimeout(), holdings.times());
    Network network = holdings.networks() == null ? null : holdings.networks().normal();
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
  /// this rank's.
  private static Mapped exchange(
      WindowLayout layout, NodePlace place, JointSteps together, Holdings holdings) {
    int numRanks = place.numRanks();
    Mapped mapped = new Mapped(layout, new MemorySegment[numRanks], new long[numRanks]);
    AtomicReference<SharedMemory> own = new AtomicReference<>();
    try {
      byte[][] offers =
          together.take(() -> {
            own.set(SharedMemory.create(SharedMemory.WINDOWS, layout.byteSize, place.rank()));
            Arena arena = holdings.arena();
            holdings.times().share(WaitHistogram.create(place.rank(), numRanks, arena));
            String offer = ProcessHandle.current().pid() + " " + own.get().link();
            return offer.getBytes(StandardCharsets.UTF_8);
          });
      together.take(() -> {
        map(offers, mapped, place, holdings.arena());
        return JointSteps.NOTHING;
      });
      return mapped;
    } finally {
      if (own.get() != null) {
        own.get().close();
      }
    }
  }

  private static void map(byte[][] offers, Mapped mapped, NodePlace place, Arena arena) {
    WindowLayout layout = mapped.layout;
    for (int peer = place.firstNear(); peer < place.endNear(); peer++) {
      String offer = new String(offers[peer], StandardCharsets.UTF_8);
      int space = offer.indexOf(' ');
      mapped.pids[peer] = Long.parseLong(offer.substring(0, space));
      mapped.pages[peer] = SharedMemory.map(offer.substring(space + 1), layout.byteSize, arena);
    }
    for (int peer = 0; peer < offers.length; peer++) {
      if (!place.isNear(peer)) {
        long mirror = layout.nodes.mirror(peer);
        mapped.pages[peer] = mapped.pages[place.rank()].asSlice(mirror, layout.cellBytes);
      }
    }
  }
}
