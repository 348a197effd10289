package io.crossdock.core;

import io.crossdock.core.protocol.LowLatencyHandleData;
import io.crossdock.core.spi.LowLatencyCombineCall;
import io.crossdock.core.spi.LowLatencyDispatchCall;
import io.crossdock.core.spi.LowLatencySession;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Deque;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.function.Supplier;

/// The calls of low-latency mode: checks each, then runs its halves in the order that was asked
/// for. A call that is wrong is published as a refusal, so that no peer waits for it.
///
/// Confined to the thread that uses the buffer.
final class LowLatencyCalls {
  private final EpBuffer buffer;
  private final LowLatencySession session;
  private final ExecutionStream stream;
  private final EngineMemory memory;
  private final LowLatencyValidator validator;
  private final CallEvents events;
  private final LowLatencyViews views;
  private final Deque<LowLatencyHandleData> spareHandles = new ConcurrentLinkedDeque<>();
  private final int numRanks;
  private final int hidden;

  LowLatencyCalls(EpBuffer buffer, CallValidator common) {
    this.buffer = buffer;
    this.session = buffer.session().lowLatency();
    this.stream = buffer.session().commStream();
    this.memory = buffer.memory();
    this.numRanks = buffer.group().size();
    this.hidden = buffer.spec().hidden();
    this.events = new CallEvents(buffer);
    this.views = new LowLatencyViews(memory.device(), numRanks, hidden);
    this.validator = new LowLatencyValidator(buffer.spec(), numRanks, common);
  }

  LowLatencySession session() {
    return session;
  }

  LowLatencyDispatchResult dispatch(
      LowLatencyDispatchCall call, LowLatencyDispatchOptions options) {
    admit(
        () -> events.dispatch(Mode.LOW_LATENCY),
        () -> {
          fill(call, Objects.requireNonNull(options, "options"));
          validator.dispatch(call);
          fillHandle(call);
          session.reserve(call);
        });
    LowLatencyHandleData handle = call.handle;
    Runnable lease = () -> session.endResult(handle.area, handle.ticket);
    LowLatencyHalves halves =
        new LowLatencyHalves(
            events,
            after(options.previousEvent(), () -> session.send(call)),
            () -> session.receive(call),
            lease);
    Runnable send = () -> halves.send(() -> events.dispatch(Mode.LOW_LATENCY));
    Runnable receive = () -> halves.receive(() -> numReceived(call));
    if (options.previousEvent().isEmpty()) {
      stream.follow();
    }
    return wrap(call, start(options.completion(), send, receive, halves), lease);
  }

  /// Rows that arrived; 0 where only a GPU knows.
  private long numReceived(LowLatencyDispatchCall call) {
    if (!memory.device().equals(Device.HOST)) {
      return 0;
    }
    long rows = 0;
    for (int expert = 0; expert < call.numExperts / numRanks; expert++) {
      rows += call.result.count().get(ValueLayout.JAVA_INT_UNALIGNED, expert * 4L);
    }
    return rows;
  }

  private static void fill(LowLatencyDispatchCall call, LowLatencyDispatchOptions options) {
    call.format = options.format();
    call.cumulativeRecvStats = options.cumulativeRecvStats().orElse(null);
    call.waitStats = options.waitStats().orElse(null);
    call.hooked = options.completion() == LowLatencyCompletion.RECV_HOOK;
    call.config = options.config().orElse(null);
  }

  private void fillHandle(LowLatencyDispatchCall call) {
    LowLatencyHandleData spare = spareHandles.poll();
    LowLatencyHandleData handle = spare != null ? spare : session.newHandle();
    handle.numTokens = Math.toIntExact(call.x.size(0));
    handle.topk = Math.toIntExact(call.topkIdx.size(1));
    handle.numExperts = call.numExperts;
    handle.numMaxTokens = call.numMaxTokens;
    call.handle = handle;
  }

  void recycle(LowLatencyHandleData handle) {
    spareHandles.push(handle);
  }

  private LowLatencyDispatchResult wrap(
      LowLatencyDispatchCall call, LowLatencyDispatchResult.Completing completing, Runnable lease) {
    LowLatencyViews.View view = views.of(call);
    return new LowLatencyDispatchResult(
        view.outputs(),
        new LowLatencyHandle(buffer, call.handle, view.srcInfo(), view.layoutRange()),
        completing,
        lease);
  }

  LowLatencyCombineResult combine(
      LowLatencyCombineCall call, LowLatencyHandle handle, LowLatencyCombineOptions options) {
    admit(
        () -> events.combine(Mode.LOW_LATENCY),
        () -> {
          call.handle = Objects.requireNonNull(handle, "handle").data(buffer);
          fill(call, Objects.requireNonNull(options, "options"));
          validator.combine(call);
          session.reserve(call);
          if (call.combinedX == null) {
            long tokens = call.handle.numTokens;
            call.combinedX = Tensor.allocate(memory.allocator(), DType.BF16, tokens, hidden);
          }
        });
    LowLatencyHalves halves =
        new LowLatencyHalves(
            events,
            after(options.previousEvent(), () -> session.send(call)),
            () -> session.receive(call),
            () -> session.giveBack(call));
    Runnable send = () -> halves.send(() -> events.combine(Mode.LOW_LATENCY));
    Runnable receive = () -> halves.receive(() -> call.handle.numTokens);
    if (options.previousEvent().isEmpty()) {
      stream.follow();
    }
    LowLatencyDispatchResult.Completing completing =
        start(options.completion(), send, receive, halves);
    return new LowLatencyCombineResult(call.combinedX, completing.event(), completing.recvHook());
  }

  private static void fill(LowLatencyCombineCall call, LowLatencyCombineOptions options) {
    call.format = options.format();
    call.zeroCopy = options.source() == LowLatencyCombineOptions.Source.COMBINE_BUFFER;
    call.combinedX = options.out().orElse(null);
    call.waitStats = options.waitStats().orElse(null);
    call.hooked = options.completion() == LowLatencyCompletion.RECV_HOOK;
    call.config = options.config().orElse(null);
  }

  Tensor combineBuffer(LowLatencyHandle handle) {
    LowLatencyHandleData data = Objects.requireNonNull(handle, "handle").data(buffer);
    MemorySegment place = session.combineBuffer(data);
    long rows = (long) data.numMaxTokens * numRanks;
    long local = data.numExperts / numRanks;
    return Tensor.of(memory.device(), place, DType.BF16, local, rows, hidden);
  }

  void clean() {
    stream.follow();
    stream.execute(session::clean);
  }

  void updateMask(int rank, boolean masked) {
    if (masked) {
      session.mask(rank);
    } else {
      boolean[] returning = new boolean[numRanks];
      returning[rank] = true;
      rejoin(returning);
    }
  }

  void cleanMask() {
    boolean[] returning = new boolean[numRanks];
    Arrays.fill(returning, true);
    rejoin(returning);
  }

  /// Brings ranks back once the calls made before are over: their writes must be.
  private void rejoin(boolean[] returning) {
    stream.follow();
    stream.awaitSubmitted();
    session.rejoin(returning);
  }

  private LowLatencyDispatchResult.Completing start(
      LowLatencyCompletion completion, Runnable send, Runnable receive, LowLatencyHalves halves) {
    EventOverlap event = EventOverlap.COMPLETED;
    Optional<RecvHook> hook = Optional.empty();
    switch (completion) {
      case SYNCHRONOUS -> orGiveBack(halves, () -> stream.execute(() -> both(send, receive)));
      case ASYNC_FINISH -> event = stream.submit(() -> both(send, receive));
      case RECV_HOOK -> {
        orGiveBack(halves, () -> stream.execute(send));
        hook = Optional.of(new RecvHook(buffer, () -> receiveLater(receive, halves)));
      }
    }
    return new LowLatencyDispatchResult.Completing(event, hook);
  }

  /// Nothing works for the receive before what the caller's stream got until then is over.
  private void receiveLater(Runnable receive, LowLatencyHalves halves) {
    stream.follow();
    orGiveBack(halves, () -> stream.execute(receive));
  }

  private static void both(Runnable send, Runnable receive) {
    send.run();
    receive.run();
  }

  /// {@return the send half, behind an event}
  private Runnable after(Optional<EventOverlap> previous, Runnable send) {
    return () -> {
      previous.ifPresent(this::await);
      send.run();
    };
  }

  /// Nothing was sent yet, so the peers are told.
  private void await(EventOverlap previous) {
    try {
      previous.currentStreamWait();
    } catch (RuntimeException e) {
      session.refuse(EpBuffer.reason(e));
      throw e;
    }
  }

  private static void orGiveBack(LowLatencyHalves halves, Runnable work) {
    try {
      work.run();
    } catch (RuntimeException | Error e) {
      halves.giveBack();
      throw e;
    }
  }

  /// Runs what must hold before a call is made; what it throws is published as a refusal.
  private void admit(Supplier<CallEvent> event, Runnable checks) {
    try {
      checks.run();
    } catch (RuntimeException e) {
      events.refuse(event.get(), e, () -> refuse(e));
      throw e;
    }
  }

  private void refuse(RuntimeException cause) {
    try {
      stream.awaitSubmitted();
      session.refuse(EpBuffer.reason(cause));
    } catch (RuntimeException e) {
      e.addSuppressed(cause);
      throw e;
    }
  }
}
