package io.crossdock.ucx;

import io.crossdock.core.Mode;
import io.crossdock.ucx.binding.Config;
import io.crossdock.ucx.binding.Context;
import io.crossdock.ucx.binding.Endpoint;
import io.crossdock.ucx.binding.Operation;
import io.crossdock.ucx.binding.Receiver;
import io.crossdock.ucx.binding.Status;
import io.crossdock.ucx.binding.Worker;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// Sends messages made by hand to a transport, through the bindings alone.
///
/// Confined to one thread at a time.
final class Stranger implements AutoCloseable, Receiver {
  private final Arena arena = Arena.ofShared();
  private final Context context;
  private final Worker worker;
  private final Endpoint endpoint;

  Stranger(Offer target) {
    try (Config config = ModeSettings.of(Mode.NORMAL).open(PutsKind.MESSAGES)) {
      context = Context.open(config, 1, false);
    }
    worker = Worker.create(context);
    worker.listen(Frame.ID, this, arena);
    endpoint = worker.connect(0, target.workerAddress());
  }

  /// Memory for a message and its data.
  Operation operation() {
    return new Operation(arena);
  }

  MemorySegment data(long bytes) {
    return arena.allocate(bytes, 64).fill((byte) 1);
  }

  void send(Operation operation, long headerBytes) {
    byte status = operation.send(endpoint, Frame.ID, headerBytes);
    if (status != Status.OK) {
      throw new AssertionError("was not sent: status=" + Status.text(status));
    }
  }

  void progress() {
    worker.progress();
  }

  @Override
  public void received(long header, long headerBytes, long data, long dataBytes, boolean hasData) {
    throw new AssertionError("nobody answers a stranger");
  }

  @Override
  public void failed(int peer, byte status) {}

  @Override
  public void broken(Throwable error) {
    throw new AssertionError(error);
  }

  @Override
  public void close() {
    Operation closing = new Operation(arena);
    closing.close(endpoint);
    long deadline = System.nanoTime() + Ucx.TIMEOUT.toNanos();
    while (closing.isUnderWay() && closing.poll() == Status.IN_PROGRESS) {
      worker.progress();
      if (System.nanoTime() - deadline > 0) {
        throw new AssertionError("stranger did not close");
      }
    }
    worker.close();
    context.close();
    arena.close();
  }
}
