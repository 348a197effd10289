package io.crossdock.cuda;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.crossdock.core.BufferClosedException;
import io.crossdock.core.protocol.PeerState;
import io.crossdock.cuda.driver.PinnedMemory;
import io.crossdock.cuda.driver.Stream;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.concurrent.locks.LockSupport;

/// Reads and writes words of device memory while kernels run: with copies on the GPU's service
/// stream, never with a kernel, since all multiprocessors may be full of kernels that wait.
///
/// Safe for any thread.
final class Control implements AutoCloseable {
  private static final Duration BOUND = Duration.ofSeconds(10);
  private static final long REASON_NANOS = 500_000_000;
  private static final long PAUSE_NANOS = 200_000;
  private static final long BUFFER_BYTES = 4096;

  private final CudaGeometry geometry;
  private final PeerLinks links;
  private final Stream stream;
  private final PinnedMemory pinned;
  private final Object lock = new Object();
  private boolean closed;

  Control(CudaGpu gpu, CudaGeometry geometry, PeerLinks links) {
    this.geometry = geometry;
    this.links = links;
    this.stream = gpu.service();
    this.pinned = PinnedMemory.allocate(gpu.context(), BUFFER_BYTES);
  }

  /// Tells all ranks, this one included, that this rank gives up. The reason comes before the
  /// state.
  void publishAborted(String reason) {
    synchronized (lock) {
      MemorySegment text = pinned.segment().asSlice(Long.BYTES, Structs.REASON_BYTES);
      Verdicts.putText(text, reason);
      pinned.segment().set(JAVA_LONG, 0, (long) PeerState.ABORTED.ordinal());
      for (int peer = 0; peer < links.numRanks(); peer++) {
        long to = links.address(peer);
        long reasonAt = to + geometry.reasons + links.rank() * (long) Structs.REASON_BYTES;
        stream.hostToDevice(reasonAt, text.address(), Structs.REASON_BYTES);
        putState(to, links.rank());
      }
      stream.drain(BOUND);
    }
  }

  /// Tells the peers that this rank leaves.
  void publishLeaving() {
    synchronized (lock) {
      pinned.segment().set(JAVA_LONG, 0, (long) PeerState.LEAVING.ordinal());
      for (int peer = 0; peer < links.numRanks(); peer++) {
        if (peer != links.rank()) {
          putState(links.address(peer), links.rank());
        }
      }
      stream.drain(BOUND);
    }
  }

  /// Lets kernels of this rank know that a peer is gone that could not say so.
  void markGone(int peer) {
    synchronized (lock) {
      pinned.segment().set(JAVA_LONG, 0, (long) PeerState.LEAVING.ordinal());
      putState(links.address(links.rank()), peer);
      stream.drain(BOUND);
    }
  }

  private void putState(long memory, int rank) {
    long at = memory + geometry.states + rank * (long) Long.BYTES;
    stream.hostToDevice(at, pinned.segment().address(), Long.BYTES);
  }

  /// What a rank that aborted gave as its reason. Its kernel tells that it gave up before its host
  /// tells why.
  String reason(int origin) {
    long deadline = System.nanoTime() + REASON_NANOS;
    long at = links.address(links.rank()) + geometry.reasons + origin * (long) Structs.REASON_BYTES;
    for (; ; ) {
      String text = readText(at);
      if (!text.isEmpty() || System.nanoTime() > deadline) {
        return text.isEmpty() ? "not told" : text;
      }
      LockSupport.parkNanos(PAUSE_NANOS);
    }
  }

  private String readText(long at) {
    synchronized (lock) {
      read(at, Structs.REASON_BYTES);
      return Verdicts.text(pinned.segment().asSlice(0, Structs.REASON_BYTES));
    }
  }

  /// True if a peer said that it leaves or gave up.
  boolean hasLeft(int peer) {
    long at = links.address(links.rank()) + geometry.states + peer * (long) Long.BYTES;
    return readLong(at) != PeerState.RUNNING.ordinal();
  }

  /// Reads a word.
  long readLong(long at) {
    synchronized (lock) {
      read(at, Long.BYTES);
      return pinned.segment().get(JAVA_LONG, 0);
    }
  }

  /// Reads memory of the device into memory of the host.
  void download(long at, MemorySegment to) {
    synchronized (lock) {
      for (long done = 0; done < to.byteSize(); done += BUFFER_BYTES) {
        long part = Math.min(BUFFER_BYTES, to.byteSize() - done);
        read(at + done, part);
        MemorySegment.copy(pinned.segment(), 0, to, done, part);
      }
    }
  }

  private void read(long at, long byteSize) {
    if (closed) {
      throw new BufferClosedException("buffer is closed: rank=" + links.rank());
    }
    stream.deviceToHost(pinned.segment().address(), at, byteSize);
    stream.drain(BOUND);
  }

  /// Writes memory of the device.
  void upload(MemorySegment from, long at) {
    synchronized (lock) {
      for (long done = 0; done < from.byteSize(); done += BUFFER_BYTES) {
        long part = Math.min(BUFFER_BYTES, from.byteSize() - done);
        MemorySegment.copy(from, done, pinned.segment(), 0, part);
        stream.hostToDevice(at + done, pinned.segment().address(), part);
        stream.drain(BOUND);
      }
    }
  }

  /// Fills memory of the device with zeros.
  void clear(long at, long byteSize) {
    synchronized (lock) {
      stream.memset8(at, (byte) 0, byteSize);
      stream.drain(BOUND);
    }
  }

  @Override
  public void close() {
    synchronized (lock) {
      closed = true;
      pinned.close();
    }
  }
}
