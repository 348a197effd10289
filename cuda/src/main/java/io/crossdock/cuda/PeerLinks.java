package io.crossdock.cuda;

import io.crossdock.core.WindowAllocationException;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.core.protocol.PeerProcess;
import io.crossdock.cuda.driver.Closing;
import io.crossdock.cuda.driver.DeviceMemory;
import io.crossdock.cuda.driver.FabricHandle;
import io.crossdock.cuda.driver.FabricMemory;
import io.crossdock.cuda.driver.Gpu;
import io.crossdock.cuda.driver.IpcHandle;
import io.crossdock.cuda.driver.IpcMemory;
import io.crossdock.cuda.driver.ShareableMemory;
import io.crossdock.ffi.NativeCallException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.function.Supplier;
import java.util.stream.Stream;

/// The memory of all ranks as this rank's GPU sees it: in the same process the pointer itself, in
/// another one a mapping.
///
/// Safe for any thread.
final class PeerLinks implements AutoCloseable {
  private static final String FAILED = "!";
  private static final String REMEDY =
      ", remedy=-D" + WindowChoice.PROPERTY + "=" + WindowChoice.IPC;

  private final int rank;
  private final List<PeerPlace> places;
  private final WindowKind kind;
  private final long[] addresses;
  private final Resources held = new Resources();
  private ShareableMemory own;
  private boolean shared;

  private PeerLinks(int rank, List<PeerPlace> places) {
    this.rank = rank;
    this.places = places;
    this.kind = WindowChoice.agree(places);
    this.addresses = new long[places.size()];
    held.add(this::releaseOwn);
  }

  /// Finds out where all ranks are, allocates this rank's memory, zeroed, makes it known, and
  /// reaches that of all peers. If one rank cannot, all fail and say whose.
  ///
  /// @param gpu of this rank; null if it has none
  /// @param cause why it has none, or why this rank cannot take part; null if it can
  static PeerLinks exchange(
      CudaGpu gpu, ProcessGroup group, long byteSize, RuntimeException cause) {
    String place = cause == null ? attempt(() -> PeerPlace.of(gpu).encode()) : failed(cause);
    List<PeerPlace> places = Stream.of(gather(group, place)).map(PeerPlace::decode).toList();
    PeerLinks links = new PeerLinks(group.rank(), places);
    try {
      String[] offers = gather(group, attempt(() -> links.offer(gpu, byteSize)));
      gather(group, attempt(() -> links.connect(gpu, offers)));
      return links;
    } catch (RuntimeException | Error e) {
      Closing.after(e, links);
      throw e;
    }
  }

  /// What this rank tells all others, or that it failed.
  private static String attempt(Supplier<String> step) {
    try {
      return step.get();
    } catch (RuntimeException | OutOfMemoryError e) {
      return failed(e);
    }
  }

  private static String failed(Throwable cause) {
    return FAILED + cause.getMessage();
  }

  private String offer(CudaGpu gpu, long byteSize) {
    own =
        kind == WindowKind.FABRIC
            ? FabricMemory.allocate(gpu.context(), byteSize)
            : DeviceMemory.allocate(gpu.context(), byteSize);
    gpu.memory().zero(own.address(), byteSize);
    return WindowOffer.of(own, kind).encode();
  }

  /// Ends a step that all ranks take together: if one could not, all throw.
  ///
  /// @param failure why this rank could not; null if it could
  static void agree(ProcessGroup group, RuntimeException failure) {
    try {
      gather(group, failure == null ? "" : failed(failure));
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
    List<WindowOffer> memories = Stream.of(offers).map(WindowOffer::decode).toList();
    share(memories);
    for (int peer = 0; peer < offers.length; peer++) {
      if (isSameProcess(peer)) {
        enableAccess(gpu, peer);
      } else {
        checkVisible(gpu, peer);
        addresses[peer] = map(gpu, peer, memories.get(peer));
      }
    }
    return "";
  }

  /// Comes before all that may fail, so that every rank of the process gives up its share of every
  /// memory, whoever fails.
  private void share(List<WindowOffer> memories) {
    for (int peer = 0; peer < addresses.length; peer++) {
      if (isSameProcess(peer)) {
        addresses[peer] = memories.get(peer).address();
      }
    }
    SharedWindows.share(own, numSameProcess());
    shared = true;
  }

  private long map(CudaGpu gpu, int peer, WindowOffer offer) {
    try {
      return kind == WindowKind.FABRIC ? mapFabric(gpu, offer) : mapIpc(gpu, offer);
    } catch (NativeCallException e) {
      throw new WindowAllocationException(
          "memory of a peer process cannot be mapped: rank="
              + rank
              + ", peer="
              + peer
              + ", transport="
              + kind.transport()
              + ", cause="
              + e.getMessage()
              + (kind == WindowKind.FABRIC ? REMEDY : ""));
    }
  }

  private long mapFabric(CudaGpu gpu, WindowOffer offer) {
    FabricHandle handle = FabricHandle.of(offer.handleBytes());
    return held.add(FabricMemory.open(gpu.context(), handle, offer.byteSize())).address();
  }

  private long mapIpc(CudaGpu gpu, WindowOffer offer) {
    return held.add(IpcMemory.open(gpu.context(), IpcHandle.of(offer.handleBytes()))).address();
  }

  /// Access between contexts is to plain memory. Memory with fabric handles is opened to each GPU
  /// by its owner.
  private void enableAccess(CudaGpu gpu, int peer) {
    int ordinal = places.get(peer).ordinal();
    if (ordinal == gpu.gpu().ordinal()) {
      return;
    }
    Gpu other = Gpu.of(ordinal);
    checkAccess(gpu, peer, other);
    gpu.context().enablePeerAccess(CudaGpu.open(ordinal).context());
    if (own instanceof FabricMemory fabric) {
      fabric.allow(other);
    }
  }

  /// A GPU of another process may have another number here, or be hidden: then the driver decides.
  private void checkVisible(CudaGpu gpu, int peer) {
    for (int ordinal = 0; ordinal < Gpu.count(); ordinal++) {
      Gpu other = Gpu.of(ordinal);
      if (other.pciBusId().equals(busId(peer)) && ordinal != gpu.gpu().ordinal()) {
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

  /// How ranks reach each other.
  WindowKind kind() {
    return kind;
  }

  /// Where a rank's memory begins.
  long address(int peer) {
    return addresses[peer];
  }

  boolean isSameProcess(int peer) {
    return pid(peer) == pid(rank);
  }

  /// True unless the peer's process ended.
  boolean isAlive(int peer) {
    return isSameProcess(peer) || PeerProcess.isAlive(pid(peer));
  }

  long pid(int peer) {
    return places.get(peer).pid();
  }

  private int numSameProcess() {
    int ranks = 0;
    for (int peer = 0; peer < numRanks(); peer++) {
      ranks += isSameProcess(peer) ? 1 : 0;
    }
    return ranks;
  }

  /// Names a rank's GPU, alike in all processes.
  String busId(int peer) {
    return places.get(peer).busId();
  }

  /// True if all ranks are threads of this process with the same GPU.
  boolean areOnOneGpu() {
    boolean all = true;
    for (int peer = 0; peer < places.size(); peer++) {
      all = all && isSameProcess(peer) && isSameGpu(peer);
    }
    return all;
  }

  /// True if a rank uses this rank's GPU.
  boolean isSameGpu(int peer) {
    return busId(peer).equals(busId(rank));
  }

  /// How many ranks use this rank's GPU.
  int ranksOnGpu() {
    int ranks = 0;
    for (int peer = 0; peer < numRanks(); peer++) {
      ranks += isSameGpu(peer) ? 1 : 0;
    }
    return ranks;
  }

  /// Leaves the memory of the peers alone from now on. This rank's own is freed when all ranks of
  /// the process did that.
  @Override
  public void close() {
    held.close();
  }

  private void releaseOwn() {
    if (shared) {
      for (int peer = 0; peer < numRanks(); peer++) {
        if (isSameProcess(peer)) {
          SharedWindows.release(addresses[peer]);
        }
      }
    } else if (own != null) {
      own.close();
    }
  }
}
