package io.crossdock.verify.network;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.crossdock.ffi.RawMemory;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;
import java.util.Arrays;
import java.util.SplittableRandom;

/// What one rank puts to another between two signals, torn into parts, and the signal behind it.
/// Used again and again; its arrays only grow.
///
/// Confined to the lock of the target's inbox.
final class WeatherBatch {
  private static final VarHandle LONG = JAVA_LONG.varHandle();

  /// All of memory from address 1, so that a copy from an address makes no object.
  private static final MemorySegment MEMORY = RawMemory.view(1, Long.MAX_VALUE - 1);

  private long[] sources = new long[8];
  private long[] offsets = new long[8];
  private long[] sizes = new long[8];
  private long[] copiedAt = new long[8];
  private long[] dues = new long[8];
  private boolean[] released = new boolean[8];
  private int count;
  private MemorySegment copies = MemorySegment.ofArray(new byte[4096]);
  private long copied;
  private boolean sealed;
  private long signalOffset;
  private long signalValue;
  private long signalDue;

  void clear() {
    count = 0;
    copied = 0;
    sealed = false;
  }

  /// {@return parts that did not land yet}
  int count() {
    return count;
  }

  boolean isSealed() {
    return sealed;
  }

  /// Adds a part, and keeps a copy of its bytes.
  ///
  /// @param early its bytes are read now alone; otherwise also when they land
  void add(long source, long offset, long bytes, boolean early, long due) {
    if (count == sources.length) {
      grow();
    }
    if (copied + bytes > copies.byteSize()) {
      byte[] larger = new byte[Math.toIntExact(2 * (copied + bytes))];
      MemorySegment.copy(copies, 0, MemorySegment.ofArray(larger), 0, copied);
      copies = MemorySegment.ofArray(larger);
    }
    MemorySegment.copy(MEMORY, source - 1, copies, copied, bytes);
    sources[count] = source;
    offsets[count] = offset;
    sizes[count] = bytes;
    copiedAt[count] = copied;
    dues[count] = due;
    released[count++] = early;
    copied += bytes;
  }

  private void grow() {
    sources = Arrays.copyOf(sources, 2 * count);
    offsets = Arrays.copyOf(offsets, 2 * count);
    sizes = Arrays.copyOf(sizes, 2 * count);
    copiedAt = Arrays.copyOf(copiedAt, 2 * count);
    dues = Arrays.copyOf(dues, 2 * count);
    released = Arrays.copyOf(released, 2 * count);
  }

  void seal(long offset, long value, long due) {
    sealed = true;
    signalOffset = offset;
    signalValue = value;
    signalDue = due;
  }

  /// {@return index of a part that may land now, or -1}
  int pick(SplittableRandom random, long now) {
    int from = count == 0 ? 0 : random.nextInt(count);
    for (int i = 0; i < count; i++) {
      int part = (from + i) % count;
      if (dues[part] - now <= 0) {
        return part;
      }
    }
    return -1;
  }

  /// Writes a part into the target's region and forgets it.
  ///
  /// @return true if its source memory was needed until now
  boolean land(int part, MemorySegment region, WeatherLink link) {
    long at = copiedAt[part];
    long bytes = sizes[part];
    boolean late = !released[part];
    MemorySegment from = copies;
    if (late) {
      from = MEMORY;
      long source = sources[part] - 1;
      if (MemorySegment.mismatch(MEMORY, source, source + bytes, copies, at, at + bytes) >= 0) {
        link.report("bytes changed while they were pending", offsets[part], bytes);
      }
      at = source;
    }
    MemorySegment.copy(from, at, region, offsets[part], bytes);
    forget(part);
    return late;
  }

  private void forget(int part) {
    int last = --count;
    sources[part] = sources[last];
    offsets[part] = offsets[last];
    sizes[part] = sizes[last];
    copiedAt[part] = copiedAt[last];
    dues[part] = dues[last];
    released[part] = released[last];
  }

  boolean isSignalDue(long now) {
    return sealed && signalDue - now <= 0;
  }

  void landSignal(MemorySegment region) {
    LONG.setRelease(region, signalOffset, signalValue);
  }

  /// {@return when the next part, or the signal once there is none, may land}
  long nextDue() {
    if (count == 0) {
      return sealed ? signalDue : Long.MAX_VALUE;
    }
    long next = Long.MAX_VALUE;
    for (int i = 0; i < count; i++) {
      next = Math.min(next, dues[i]);
    }
    return next;
  }

  /// {@return parts whose source memory is still needed}
  int numNeeded() {
    int needed = 0;
    for (int i = 0; i < count; i++) {
      needed += released[i] ? 0 : 1;
    }
    return needed;
  }
}
