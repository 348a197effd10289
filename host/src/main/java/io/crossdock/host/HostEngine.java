package io.crossdock.host;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.Mode;
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
  static final String NAME = "host";
  private static final String FAILED = "!";

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
    WindowLayout layout = WindowLayout.of(spec, group.size());
    Arena arena = Arena.ofShared();
    WaitTimes times = new WaitTimes(group.size());
    try {
      Mapped mapped = exchange(layout, group, arena, times);
      return new HostSession(context(spec, group, mapped, times), group, arena);
    } catch (RuntimeException | Error e) {
      times.close();
      arena.close();
      throw e;
    }
  }

  /// The mapped memory of every rank and the process it belongs to.
  private record Mapped(WindowLayout layout, MemorySegment[] pages, long[] pids) {}

  private static HostContext context(
      BufferSpec spec, ProcessGroup group, Mapped mapped, WaitTimes times) {
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
    Board board = new Board(mapped.layout, mapped.pages, rank);
    Waiter waiter = new Waiter(board, protocol, mapped.pids, spec.hostTimeout(), times);
    int autoWorkers = HostRates.workers(group.localSize());
    HostContext.Mapping mapping = new HostContext.Mapping(rank, mapped.pages, board, autoWorkers);
    return new HostContext(spec, mapping, protocol, waiter);
  }

  /// Makes this rank's memory and maps that of all peers. If one rank cannot, all fail and say
  /// whose.
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
      String outcome = map(gather(group, offer), mapped, layout.byteSize, arena);
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

  private static String map(String[] offers, Mapped mapped, long byteSize, Arena arena) {
    try {
      for (int peer = 0; peer < offers.length; peer++) {
        int space = offers[peer].indexOf(' ');
        mapped.pids[peer] = Long.parseLong(offers[peer].substring(0, space));
        mapped.pages[peer] = SharedMemory.map(offers[peer].substring(space + 1), byteSize, arena);
      }
      return "";
    } catch (WindowAllocationException e) {
      return FAILED + e.getMessage();
    }
  }
}
