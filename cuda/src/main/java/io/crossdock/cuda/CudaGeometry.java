package io.crossdock.cuda;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.protocol.ProtocolState;
import java.lang.foreign.MemorySegment;

/// Where everything lies in the device memory of a rank that its peers reach. Every offset is taken
/// once, from one cursor:
///
/// ```
/// | entries [2][R] | finished [R] | pulled [R] | states [R] | barriers [R] | reasons [R] |
/// | receive windows .. | output windows .. | low-latency mode: LowLatencyGeometry |
///
/// entry           | header | reason | rank counts i64[R] | counts of the owner's experts i32 |
/// receive window  | rows | scales | topkIdx | topkWeights | source token idx |
/// output window   | rows | topkWeights |
/// ```
///
/// Peers write entries, flags and reasons into the memory of the rank that polls them, so that no
/// wait reads over a link. The kernels do not know of the reasons.
///
/// Safe for any thread.
final class CudaGeometry {
  private static final int WINDOW_ALIGNMENT = 512;

  final int numRanks;
  final long timeoutNanos;
  final long entries;
  final long entryPitch;
  final long finished;
  final long pulled;
  final long states;
  final long barriers;
  final long reasons;
  final long receive;
  final long receivePitch;
  final long recvScales;
  final long recvTopkIdx;
  final long recvTopkWeights;
  final long recvSource;
  final long output;
  final long outputPitch;
  final long outputWeights;
  final long rows;
  final long byteSize;

  /// Null in a buffer for normal mode alone.
  final LowLatencyGeometry lowLatency;

  /// Where a rank is among the others.
  ///
  /// Safe for any thread.
  ///
  /// @param rank this rank
  /// @param peers device address of the addresses of all ranks' memory
  /// @param memory device address of this rank's own
  /// @param onOneGpu true if all ranks are threads of one process with one GPU
  record Place(int rank, long peers, long memory, boolean onOneGpu) {}

  private CudaGeometry(BufferSpec spec, int numRanks) {
    this.numRanks = numRanks;
    this.timeoutNanos = spec.gpuTimeout().toNanos();
    rows = spec.windowRows(numRanks);

    Cursor entry = new Cursor();
    entry.take(1, Structs.ENTRY.byteSize());
    entry.append(1, Structs.REASON_BYTES);
    entry.append(numRanks, Long.BYTES);
    entry.append(spec.numExperts() / numRanks, Integer.BYTES);
    entryPitch = entry.end(Cursor.LINE_BYTES);

    Cursor window = new Cursor();
    window.take(rows, spec.maxRowBytes());
    recvScales = window.take(rows, spec.maxScaleBytes());
    recvTopkIdx = window.take(rows, spec.topk() * 8L);
    recvTopkWeights = window.take(rows, spec.topk() * 4L);
    recvSource = window.take(rows, Integer.BYTES);
    receivePitch = window.end(WINDOW_ALIGNMENT);

    Cursor out = new Cursor();
    out.take(rows, spec.hidden() * 2L);
    outputWeights = out.take(rows, spec.topk() * 4L);
    outputPitch = out.end(WINDOW_ALIGNMENT);

    Cursor memory = new Cursor();
    entries = memory.take(ProtocolState.ENTRY_SLOTS * (long) numRanks, entryPitch);
    finished = memory.take(numRanks, Long.BYTES);
    pulled = memory.take(numRanks, Long.BYTES);
    states = memory.take(numRanks, Long.BYTES);
    barriers = memory.take(numRanks, Long.BYTES);
    reasons = memory.take(numRanks, Structs.REASON_BYTES);
    long control = memory.end(WINDOW_ALIGNMENT);
    receive = control;
    output = Math.addExact(receive, Math.multiplyExact(spec.numReceiveWindows(), receivePitch));
    long windowsEnd =
        Math.addExact(output, Math.multiplyExact(spec.numOutputWindows(), outputPitch));
    lowLatency = LowLatencyGeometry.of(spec, numRanks, windowsEnd);
    byteSize = lowLatency == null ? windowsEnd : lowLatency.end;
  }

  /// Lays out the memory of one rank.
  ///
  /// @throws InvalidInputException if it takes more bytes than memory can have, or more windows
  ///   than the kernels keep track of
  static CudaGeometry of(BufferSpec spec, int numRanks) {
    if (spec.numOutputWindows() > Structs.MAX_OUTPUT_WINDOWS) {
      throw new InvalidInputException(
          "too many output windows for a GPU: numOutputWindows="
              + spec.numOutputWindows()
              + ", max="
              + Structs.MAX_OUTPUT_WINDOWS);
    }
    try {
      return new CudaGeometry(spec, numRanks);
    } catch (ArithmeticException e) {
      InvalidInputException failure =
          new InvalidInputException(
              "windows are larger than memory can be: numRanks=" + numRanks + ", spec=" + spec);
      failure.initCause(e);
      throw failure;
    }
  }

  long receive(int window) {
    return receive + window * receivePitch;
  }

  long output(int window) {
    return output + window * outputPitch;
  }

  /// Where the entry of a rank lies whose epoch falls into a slot.
  long entry(int slot, int source) {
    return entries + ((long) slot * numRanks + source) * entryPitch;
  }

  /// Writes the struct that every kernel gets.
  ///
  /// @param args of a kernel that begins with the struct
  /// @param place of the rank
  /// @param local device address of the rank's own state
  void write(MemorySegment args, Place place, long local) {
    long[] words = {
      place.rank,
      numRanks,
      timeoutNanos,
      place.peers,
      place.memory,
      place.onOneGpu ? 1 : 0,
      local,
      entries,
      entryPitch,
      finished,
      pulled,
      states,
      barriers,
      receive,
      receivePitch,
      recvScales,
      recvTopkIdx,
      recvTopkWeights,
      recvSource,
      output,
      outputPitch,
      outputWeights,
      rows
    };
    MemorySegment.copy(words, 0, args, JAVA_LONG, 0, words.length);
  }
}
