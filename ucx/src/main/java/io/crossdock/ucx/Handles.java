package io.crossdock.ucx;

import io.crossdock.ffi.EventFile;
import io.crossdock.ucx.binding.Config;
import io.crossdock.ucx.binding.Context;
import io.crossdock.ucx.binding.Operation;
import io.crossdock.ucx.binding.Receiver;
import io.crossdock.ucx.binding.Worker;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// What a transport has of UCX and of the system.
///
/// Confined to one thread at a time.
///
/// @param arena memory that UCX may read and call while the worker lives
/// @param context of the mode's settings
/// @param worker in it
/// @param segmentBytes what a message may carry beside its header
/// @param mapping of the region that peers put into; 0 with messages
/// @param event what a wait ends by; closed by its user
record Handles(
    Arena arena, Context context, Worker worker, long segmentBytes, long mapping, EventFile event)
    implements AutoCloseable {
  static final long LEAST_SEGMENT_BYTES = 1 << 10;

  /// Opens all, or nothing.
  static Handles open(
      ModeSettings settings, PutsKind kind, int numRanks, MemorySegment region, Receiver receiver) {
    boolean isRma = kind.isRma();
    Arena arena = Arena.ofShared();
    Context context = null;
    Worker worker = null;
    long segmentBytes = 0;
    long mapping = 0;
    try {
      try (Config config = settings.open(kind)) {
        context = Context.open(config, numRanks, isRma);
      }
      worker = Worker.create(context);
      worker.listen(Frame.ID, receiver, arena);
      segmentBytes = worker.segmentBytes() - Operation.HEADER_BYTES;
      if (segmentBytes < LEAST_SEGMENT_BYTES) {
        throw new IllegalArgumentException(
            "segments of the network are too small: mode="
                + settings.word()
                + ", bytes="
                + worker.segmentBytes()
                + ", least="
                + (LEAST_SEGMENT_BYTES + Operation.HEADER_BYTES));
      }
      mapping = isRma ? context.map(region.address(), region.byteSize()) : 0;
      EventFile event = EventFile.open(worker.isShared() ? worker.file() : EventFile.NO_FILE);
      return new Handles(arena, context, worker, segmentBytes, mapping, event);
    } catch (RuntimeException | Error e) {
      new Handles(arena, context, worker, segmentBytes, mapping, null).closeAfter(e);
      throw e;
    }
  }

  private void closeAfter(Throwable cause) {
    try {
      close();
    } catch (RuntimeException e) {
      cause.addSuppressed(e);
    }
  }

  /// Gives back what is there, in reverse order. Nothing may be under way.
  @Override
  public void close() {
    if (mapping != 0) {
      context.unmap(mapping);
    }
    if (worker != null) {
      worker.close();
    }
    if (context != null) {
      context.close();
    }
    arena.close();
  }
}
