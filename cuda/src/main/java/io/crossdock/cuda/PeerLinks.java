package io.crossdock.cuda;

import io.crossdock.core.WindowAllocationException;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.core.protocol.PeerProcess;
import io.crossdock.cuda.driver.DeviceMemory;
import io.crossdock.cuda.driver.Gpu;
import io.crossdock.cuda.driver.IpcHandle;
import io.crossdock.cuda.driver.IpcMemory;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;

/// The memory of all ranks as this rank's GPU sees it: in the same process the pointer itself, in
/// another one an IPC mapping.
///
/// Safe for any thread.
final class PeerLinks implements AutoCloseable {
  private static final String FAILED = "!";
  private static final String NO_HANDLE = "-";

  private final int rank;
  private final long[] addresses;
  private final long[] pids;
  private final int[] ordinals;
  private final String[] busIds;
  private final List<IpcMemory> mapped = new ArrayList<>();
  private DeviceMemory own;
  private boolean shared;

  private PeerLinks(int rank, int numRanks) {
    this.rank = rank;
    this.addresses = new long[numRanks];
    this.pids = new long[numRanks];
    this.ordinals = new int[numRanks];
    this.busIds = new String[numRanks];
  }

  /// Allocates this rank's memory, zeroed, makes it known, and reaches that of all peers. If one
  /// rank cannot, all fail and say whose.
  ///
  /// @param gpu of this rank; null if it has none
  /// @param cause why it has none, or why this rank cannot take part; null if it can
  static PeerLinks exchange(
      CudaGpu gpu, ProcessGroup group, long byteSize, RuntimeException cause) {
    PeerLinks links = new PeerLinks(group.rank(), group.size());
    try {
      String offer = cause == null ? links.offer(gpu, byteSize) : FAILED + cause.getMessage();
      String[] offers = gather(group, offer);
      gather(group, links.connect(gpu, offers));
      return links;
    } catch (RuntimeException | Error e) {
      links.close();
      throw e;
    }
  }

  private String offer(CudaGpu gpu, long byteSize) {
    try {
      own = DeviceMemory.allocate(gpu.context(), byteSize);
      gpu.memory().zero(own.address(), byteSize);
      return ProcessHandle.current().pid()
          + " "
          + gpu.gpu().ordinal()
          + " "
          + gpu.gpu().pciBusId()
          + " "
          + own.address()
          + " "
          + export(own);
    } catch (RuntimeException | OutOfMemoryError e) {
      return FAILED + e.getMessage();
    }
  }

  /// Ranks of one process need no handle, so a machine that cannot make one is no failure yet.
  private static String export(DeviceMemory own) {
    try {
      return HexFormat.of().formatHex(own.export().bytes());
    } catch (RuntimeException e) {
      return NO_HANDLE;
    }
  }

  /// Ends a step that all ranks take together: if one could not, all throw.
  ///
  /// @param failure why this rank could not; null if it could
  static void agree(ProcessGroup group, RuntimeException failure) {
    try {
      gather(group, failure == null ? "" : FAILED + failure.getMessage());
    } catch (WindowAllocationException e) {
      throw failure == null ? e : failure;
    }
  }

  private static String[] gather(ProcessGroup group, String mine) {
    byte[][] all = group.allGather(mine.getBytes(StandardCharsets.UTF_8));
    String[] texts = new String[all.length];
    for (int peer = 0; peer < all.length; peer++) {
      texts[peer] = new String(all[peer], StandardCharsets.UTF_8);
      if (texts[peer].startsWith(FAILED)) {
        throw new WindowAllocationException(
            "a rank has no windows: peer="
                + peer
                + ", reason="
                + texts[peer].substring(FAILED.length()));
      }
    }
    return texts;
  }

  private String connect(CudaGpu gpu, String[] offers) {
    try {
      for (int peer = 0; peer < offers.length; peer++) {
        String[] facts = offers[peer].split(" ", -1);
        pids[peer] = Long.parseLong(facts[0]);
        ordinals[peer] = Integer.parseInt(facts[1]);
        busIds[peer] = facts[2];
        addresses[peer] = reach(gpu, peer, Long.parseLong(facts[3]), facts[4]);
      }
      SharedWindows.share(own, numSameProcess());
      shared = true;
      return "";
    } catch (RuntimeException e) {
      return FAILED + e.getMessage();
    }
  }

  private long reach(CudaGpu gpu, int peer, long address, String handle) {
    if (isSameProcess(peer)) {
      enableAccess(gpu, peer);
      return address;
    }
    checkVisible(gpu, peer);
    if (handle.equals(NO_HANDLE)) {
      throw new WindowAllocationException(
          "memory of a peer process cannot be shared: rank=" + rank + ", peer=" + peer);
    }
    IpcMemory memory = IpcMemory.open(gpu.context(), IpcHandle.of(HexFormat.of().parseHex(handle)));
    mapped.add(memory);
    return memory.address();
  }

  private void enableAccess(CudaGpu gpu, int peer) {
    if (ordinals[peer] == gpu.gpu().ordinal()) {
      return;
    }
    checkAccess(gpu, peer, Gpu.of(ordinals[peer]));
    gpu.context().enablePeerAccess(CudaGpu.open(ordinals[peer]).context());
  }

  /// A GPU of another process may have another number here, or be hidden: then the driver decides.
  private void checkVisible(CudaGpu gpu, int peer) {
    for (int ordinal = 0; ordinal < Gpu.count(); ordinal++) {
      Gpu other = Gpu.of(ordinal);
      if (other.pciBusId().equals(busIds[peer]) && ordinal != gpu.gpu().ordinal()) {
        checkAccess(gpu, peer, other);
      }
    }
  }

  private void checkAccess(CudaGpu gpu, int peer, Gpu other) {
    if (!gpu.gpu().canAccessPeer(other)) {
      throw new WindowAllocationException(
          "GPUs cannot reach each other: rank="
              + rank
              + ", gpu="
              + gpu.gpu()
              + ", peer="
              + peer
              + ", peerGpu="
              + other);
    }
  }

  int rank() {
    return rank;
  }

  int numRanks() {
    return addresses.length;
  }

  /// Where a rank's memory begins.
  long address(int peer) {
    return addresses[peer];
  }

  boolean isSameProcess(int peer) {
    return pids[peer] == ProcessHandle.current().pid();
  }

  /// True unless the peer's process ended.
  boolean isAlive(int peer) {
    return isSameProcess(peer) || PeerProcess.isAlive(pids[peer]);
  }

  long pid(int peer) {
    return pids[peer];
  }

  /// True if no memory of another process is mapped.
  boolean isOneProcess() {
    return numSameProcess() == numRanks();
  }

  private int numSameProcess() {
    int ranks = 0;
    for (int peer = 0; peer < pids.length; peer++) {
      ranks += isSameProcess(peer) ? 1 : 0;
    }
    return ranks;
  }

  /// Names a rank's GPU, alike in all processes.
  String busId(int peer) {
    return busIds[peer];
  }

  /// True if a rank uses this rank's GPU.
  boolean isSameGpu(int peer) {
    return busIds[peer].equals(busIds[rank]);
  }

  /// How many ranks use this rank's GPU.
  int ranksOnGpu() {
    int ranks = 0;
    for (int peer = 0; peer < busIds.length; peer++) {
      ranks += isSameGpu(peer) ? 1 : 0;
    }
    return ranks;
  }

  /// Leaves the memory of the peers alone from now on. This rank's own is freed when all ranks of
  /// the process did that.
  @Override
  public void close() {
    for (IpcMemory memory : mapped) {
      memory.close();
    }
    mapped.clear();
    if (shared) {
      shared = false;
      for (int peer = 0; peer < pids.length; peer++) {
        if (isSameProcess(peer)) {
          SharedWindows.release(addresses[peer]);
        }
      }
    } else if (own != null) {
      own.close();
    }
  }
}
