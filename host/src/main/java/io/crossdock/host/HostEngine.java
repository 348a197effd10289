package io.crossdock.host;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.WindowAllocationException;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.core.protocol.Entry;
import io.crossdock.core.protocol.ProtocolState;
import io.crossdock.core.protocol.WindowSet;
import io.crossdock.core.spi.EngineBackend;
import io.crossdock.core.spi.EngineSession;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;

/// The CPU engine: ranks are threads or processes of one machine, windows are shared memory.
///
/// Safe for any thread.
final class HostEngine implements EngineBackend {
  private static final String FAILED = "!";

  @Override
  public String name() {
    return "host";
  }

  @Override
  public String transport() {
    return "shm";
  }

  @Override
  public EngineSession openSession(BufferSpec spec, ProcessGroup group) {
    WindowLayout layout = WindowLayout.of(spec, group.size());
    Arena arena = Arena.ofShared();
    try {
      Mapped mapped = exchange(layout, group, arena);
      return new HostSession(context(spec, layout, group, mapped), group, arena);
    } catch (RuntimeException | Error e) {
      arena.close();
      throw e;
    }
  }

  /// The mapped memory of every rank and the process it belongs to.
  private record Mapped(MemorySegment[] pages, long[] pids) {}

  private static HostContext context(
      BufferSpec spec, WindowLayout layout, ProcessGroup group, Mapped mapped) {
    int rank = group.rank();
    Entry[] entries = new Entry[group.size()];
    for (int peer = 0; peer < entries.length; peer++) {
      entries[peer] = new Entry(group.size(), spec.numExperts());
    }
    ProtocolState protocol =
        new ProtocolState(
            entries,
            new WindowSet(spec.numReceiveWindows()),
            new WindowSet(spec.numOutputWindows()));
    Board board = new Board(layout, mapped.pages, rank);
    Waiter waiter = new Waiter(board, protocol, rank, mapped.pids, spec.hostTimeout());
    int autoWorkers = HostRates.workers(group.localSize());
    HostContext.Mapping mapping = new HostContext.Mapping(rank, mapped.pages, board, autoWorkers);
    return new HostContext(spec, mapping, protocol, waiter);
  }

  /// Makes this rank's memory and maps that of all peers. If one rank has none, or cannot map it,
  /// all fail and say which.
  private static Mapped exchange(WindowLayout layout, ProcessGroup group, Arena arena) {
    SharedMemory own = null;
    String offer;
    try {
      own = SharedMemory.create(layout.byteSize, group.rank());
      offer = ProcessHandle.current().pid() + " " + own.link();
    } catch (RuntimeException | OutOfMemoryError e) {
      offer = FAILED + e.getMessage();
    }
    try {
      return mapAndConfirm(offer, layout, group, arena);
    } finally {
      if (own != null) {
        own.close();
      }
    }
  }

  private static Mapped mapAndConfirm(
      String offer, WindowLayout layout, ProcessGroup group, Arena arena) {
    byte[][] offers = group.allGather(offer.getBytes(StandardCharsets.UTF_8));
    Mapped mapped = null;
    WindowAllocationException failure = null;
    try {
      mapped = map(offers, layout, arena);
    } catch (WindowAllocationException e) {
      failure = e;
    }
    String outcome = failure == null ? "" : failure.getMessage();
    byte[][] outcomes = group.allGather(outcome.getBytes(StandardCharsets.UTF_8));
    if (failure != null) {
      throw failure;
    }
    for (int peer = 0; peer < outcomes.length; peer++) {
      if (outcomes[peer].length > 0) {
        throw new WindowAllocationException(
            "a rank could not map the windows: peer="
                + peer
                + ", reason="
                + new String(outcomes[peer], StandardCharsets.UTF_8));
      }
    }
    return mapped;
  }

  private static Mapped map(byte[][] offers, WindowLayout layout, Arena arena) {
    MemorySegment[] pages = new MemorySegment[offers.length];
    long[] pids = new long[offers.length];
    for (int peer = 0; peer < offers.length; peer++) {
      String offer = new String(offers[peer], StandardCharsets.UTF_8);
      if (offer.startsWith(FAILED)) {
        throw new WindowAllocationException(
            "a rank has no windows: peer=" + peer + ", reason=" + offer.substring(FAILED.length()));
      }
      int space = offer.indexOf(' ');
      pids[peer] = Long.parseLong(offer.substring(0, space));
      pages[peer] = SharedMemory.map(offer.substring(space + 1), layout.byteSize, arena);
    }
    return new Mapped(pages, pids);
  }
}
