package io.crossdock.core;

import io.crossdock.core.group.ProcessGroup;
import io.crossdock.core.protocol.HandleData;
import io.crossdock.core.protocol.LowLatencyHandleData;
import io.crossdock.core.spi.EngineSession;
import io.crossdock.core.spi.LowLatencyCombineCall;
import io.crossdock.core.spi.LowLatencyDispatchCall;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Objects;

/// Expert-parallel communication of one rank: sends token rows to the ranks that own their experts
/// and brings the results back.
///
/// ```java
/// try (EpBuffer buffer = EpBuffer.open(Engines.open("host"), spec, group)) {
///   Layout layout = buffer.layout(topkIdx, spec.numExperts());
///   try (DispatchResult got = buffer.dispatch(DispatchInput.of(x, topkIdx, w), layout)) {
///     Tensor y = runExperts(got);
///     Tensor home = buffer.combine(CombineInput.of(y), got.handle()).combinedX();
///   }
/// }
/// ```
///
/// Dispatch and combine are collective: every rank of the group makes the same calls in the same
/// order. A call that is invalid on one rank throws on all of them and leaves the buffer usable; a
/// rank that does not arrive within the timeout aborts the buffer everywhere until [#reset()].
///
/// Used by one thread at a time; a second one gets a [ConcurrentUseException].
public final class EpBuffer implements AutoCloseable {
  private final BufferSpec spec;
  private final ProcessGroup group;
  private final EngineSession session;
  private final CallValidator validator;
  private final ExecutionStream commStream;
  private final BufferUse use;
  private final NormalCalls normal;
  private final LowLatencyCalls lowLatency;

  private EpBuffer(BufferSpec spec, ProcessGroup group, EngineSession session) {
    this.spec = spec;
    this.group = group;
    this.session = session;
    this.validator = new CallValidator(spec, group.size(), session.memory().device());
    this.commStream = session.commStream();
    this.use = new BufferUse(group.rank());
    this.normal = new NormalCalls(this, validator);
    this.lowLatency = spec.mode() == Mode.LOW_LATENCY ? new LowLatencyCalls(this, validator) : null;
  }

  /// Opens a buffer. Collective: every rank calls it with an equal spec.
  ///
  /// @param engine where rows are moved
  /// @param spec what the buffer must carry
  /// @param group the ranks; stays open as long as the buffer
  /// @return the buffer
  /// @throws InvalidInputException if the spec does not fit the group, or differs between ranks
  /// @throws EngineUnavailableException if the engine lacks the mode
  /// @throws WindowAllocationException if the windows do not fit into shared memory
  /// @throws TransportUnavailableException if a rank does not reach the other nodes
  public static EpBuffer open(Engine engine, BufferSpec spec, ProcessGroup group) {
    SpecAgreement.check(engine, spec, group);
    spec.checkGroup(group.size());
    if (!engine.backend().supports(spec.mode())) {
      throw new EngineUnavailableException(
          engine.name(), List.of("this engine has normal mode only: mode=" + spec.mode()));
    }
    return new EpBuffer(spec, group, engine.backend().openSession(spec, group));
  }

  /// {@return what the buffer carries}
  public BufferSpec spec() {
    return spec;
  }

  /// {@return the ranks}
  public ProcessGroup group() {
    return group;
  }

  /// {@return what the buffer was opened for}
  public Mode mode() {
    return spec.mode();
  }

  /// {@return registered window bytes of this rank}
  ///
  /// @param domain which domain
  public long windowBytes(Domain domain) {
    return session.windowBytes(domain);
  }

  /// {@return how ranks reach each other: `shm` on the host, over nodes with what carries the bytes
  /// of the buffer's mode between them; on GPUs `cuda-p2p` if all ranks are threads of this
  /// process, else `cuda-fabric` or `cuda-ipc`}
  public String transport() {
    return session.transport();
  }

  /// {@return what the last call did on this rank}
  public CallStats lastCall() {
    return session.lastCall();
  }

  /// {@return the memory that tensors of a call must lie in, and the way there and back}
  public EngineMemory memory() {
    return session.memory();
  }

  /// {@return a new timer of the current stream}
  public CallTimer timer() {
    return session.timer();
  }

  /// Throws what an earlier call failed with that nobody took: one that was ordered on a GPU stream
  /// and whose event no host waited for, or one that was replayed by a graph. Each failure is
  /// thrown once, the first of several only. Does not wait: what still runs is told by a later
  /// check. Later calls do not throw it; they are refused if it aborted the buffer.
  ///
  /// On the host engine calls and their events tell all.
  ///
  /// @throws CrossdockException the failure
  public void check() {
    use.claim();
    try {
      session.check();
    } finally {
      use.release();
    }
  }

  /// Lets what the current stream gets next start when all ranks came here. Collective. On a CUDA
  /// stream the GPU waits, not the host.
  public void barrier() {
    use.claim();
    try {
      commStream.follow();
      commStream.execute(session::barrier);
    } finally {
      use.release();
    }
  }

  /// Runs work with a stream of its own as the current stream of the calling thread: on a GPU calls
  /// are enqueued and the host waits for nothing but counts of fresh dispatches. On the host engine
  /// the thread itself is that stream.
  ///
  /// @param work runs at once; what it enqueued is over when this returns
  public void onOwnStream(Runnable work) {
    session.onOwnStream(work);
  }

  /// Records calls for replays without the host: cached dispatches, those with `numWorstTokens`,
  /// and combines. Their tensors, results and handles must live as long.
  ///
  /// @param work makes the calls, none of which runs now; needs a current stream of the GPU
  /// @return the calls
  /// @throws EngineUnavailableException on the host engine
  public RecordedCalls record(Runnable work) {
    return session.record(work);
  }

  /// Sets the workers of later calls that bring no config of their own.
  ///
  /// @param numSms GPU: streaming multiprocessors; host: threads; 0 lets the engine choose
  public void setNumSms(int numSms) {
    normal.setNumSms(numSms);
  }

  /// Records an event on the current stream: complete when the work submitted to it so far is. On a
  /// plain thread, whose work is done when its calls return, the event is complete at once.
  ///
  /// @return the event
  public static EventOverlap capture() {
    return ExecutionStream.current().map(ExecutionStream::capture).orElse(EventOverlap.COMPLETED);
  }

  /// Allocates a layout that fits any call of this buffer.
  ///
  /// @param allocator where its tensors come from
  /// @param numExperts E
  /// @return an empty layout
  public Layout allocateLayout(SegmentAllocator allocator, int numExperts) {
    validator.allocatorDevice(allocator);
    int numNodes = group.size() / group.localSize();
    return Layout.allocate(
        allocator,
        new Layout.Sizes(spec.numMaxTokensPerRank(), group.size(), numNodes, numExperts));
  }

  /// Counts where tokens go. Not collective.
  ///
  /// @param topkIdx I64 or I32 [tokens, K], global expert ids, -1 for no route
  /// @param numExperts E
  /// @return the layout
  /// @throws InvalidInputException on a bad shape, an id out of range or an expert repeated in a
  ///   token
  public Layout layout(Tensor topkIdx, int numExperts) {
    validator.layout(topkIdx, numExperts);
    Layout target = allocateLayout(session.memory().allocator(), numExperts);
    layoutInto(topkIdx, target);
    return target;
  }

  /// Counts where tokens go, into a layout made before.
  ///
  /// @param topkIdx as for [#layout]
  /// @param target is overwritten
  public void layoutInto(Tensor topkIdx, Layout target) {
    use.claim();
    try {
      validator.layout(topkIdx, Objects.requireNonNull(target, "target"));
      session.layout(topkIdx, target);
    } finally {
      use.release();
    }
  }

  /// Dispatches synchronously with the default options.
  ///
  /// @param input rows with their choices
  /// @param layout of the choices
  /// @return what this rank received
  public DispatchResult dispatch(DispatchInput input, Layout layout) {
    return dispatch(input, layout, DispatchOptions.DEFAULT);
  }

  /// Sends each row to every rank that owns one of its experts. Collective.
  ///
  /// @param input rows, choices and weights; without choices the layout alone decides
  /// @param layout of the same tokens
  /// @param options ordering, placement, alignment, sizes
  /// @return what this rank received
  /// @throws InvalidInputException if the input is wrong; every other rank gets a
  ///   [RefusedException]
  /// @throws LeaseException if all receive windows hold live results
  /// @throws CapacityException if more rows would arrive than fit
  /// @throws WaitTimeoutException if a peer does not arrive
  public DispatchResult dispatch(DispatchInput input, Layout layout, DispatchOptions options) {
    use.claim();
    try {
      return normal.dispatch(input, layout, options);
    } finally {
      use.release();
    }
  }

  /// Sends rows along an earlier dispatch: no layout, no choices, no wait for counts. This is the
  /// backward of combine. Collective.
  ///
  /// @param input rows only
  /// @param handle of the earlier dispatch
  /// @param options as for [#dispatch]
  /// @return rows in the same order as the earlier dispatch
  public DispatchResult dispatch(
      DispatchInput input, DispatchHandle handle, DispatchOptions options) {
    use.claim();
    try {
      return normal.dispatch(input, handle, options);
    } finally {
      use.release();
    }
  }

  /// Dispatches synchronously into preallocated outputs; allocates nothing.
  ///
  /// @param input rows, choices and weights
  /// @param layout of the same tokens
  /// @param options placement and completion are ignored: the outputs are the place, and they are
  ///   complete on return
  /// @param outputs overwritten
  public void dispatchInto(
      DispatchInput input, Layout layout, DispatchOptions options, DispatchOutputs outputs) {
    use.claim();
    try {
      normal.dispatchInto(input, layout, options, outputs);
    } finally {
      use.release();
    }
  }

  /// Allocates outputs for [#dispatchInto].
  ///
  /// @param allocator where the tensors come from
  /// @param like an input as it will be dispatched: the outputs have the same tensors, of the same
  ///   dtypes and columns
  /// @param capacityRows most rows a call may bring
  /// @return the outputs
  public DispatchOutputs allocateOutputs(
      SegmentAllocator allocator, DispatchInput like, long capacityRows) {
    validator.allocatorDevice(allocator);
    DispatchResult.Outputs tensors =
        new DispatchResult.Outputs(
            rowsLike(allocator, like.x(), capacityRows),
            like.scales().map(t -> rowsLike(allocator, t, capacityRows)),
            like.topkIdx().map(t -> rowsLike(allocator, t, capacityRows)),
            like.topkWeights().map(t -> rowsLike(allocator, t, capacityRows)));
    return new DispatchOutputs(tensors, this, session.newHandle());
  }

  private static Tensor rowsLike(SegmentAllocator allocator, Tensor like, long rows) {
    return Tensor.allocate(allocator, like.dtype(), rows, like.size(1));
  }

  /// Hands out the zero-copy place for the expert outputs of a dispatch. Waits, bounded, until the
  /// peers pulled what was there before. Not collective.
  ///
  /// @param handle of the dispatch
  /// @return a place that [#combine] reads without staging
  /// @throws LeaseException if every place is handed out
  public CombineBuffer combineBuffer(DispatchHandle handle) {
    use.claim();
    try {
      return normal.combineBuffer(handle);
    } finally {
      use.release();
    }
  }

  /// Combines synchronously with the default options.
  ///
  /// @param input expert outputs
  /// @param handle of the dispatch
  /// @return the sums
  public CombineResult combine(CombineInput input, DispatchHandle handle) {
    return combine(input, handle, CombineOptions.DEFAULT);
  }

  /// Brings expert outputs home: for each token the unweighted float32 sum of its rows over ranks,
  /// in ascending rank order, rounded once to BF16. Collective. This is also the backward of
  /// dispatch.
  ///
  /// @param input expert outputs, weights to sum, biases
  /// @param handle of the dispatch
  /// @param options ordering, allocator
  /// @return the sums; tokens with no route give the bias, or zero
  public CombineResult combine(CombineInput input, DispatchHandle handle, CombineOptions options) {
    use.claim();
    try {
      return normal.combine(input, handle, options);
    } finally {
      use.release();
    }
  }

  /// Combines synchronously into preallocated outputs; allocates nothing.
  ///
  /// @param input expert outputs, weights to sum, biases
  /// @param handle of the dispatch
  /// @param options allocator and completion are ignored: the outputs are complete on return
  /// @param combinedX BF16 [tokens, H], overwritten
  /// @param combinedTopkWeights F32 [tokens, K], overwritten; null without weights
  public void combineInto(
      CombineInput input,
      DispatchHandle handle,
      CombineOptions options,
      Tensor combinedX,
      Tensor combinedTopkWeights) {
    use.claim();
    try {
      normal.combineInto(input, handle, options, combinedX, combinedTopkWeights);
    } finally {
      use.release();
    }
  }

  /// Sends each row to every expert that it chose, with little delay. Collective.
  ///
  /// @param x BF16 [tokens, H]; FP8 formats need H to be a multiple of 128
  /// @param topkIdx I64 or I32 [tokens, K], global expert ids, -1 for no route
  /// @param numMaxTokensPerRank most tokens of any rank, equal on all; decides the results' shape
  /// @param numExperts E
  /// @param options format, completion, statistics
  /// @return what this rank received; one of two that may be alive
  /// @throws InvalidInputException if the input is wrong; every other rank gets a
  ///   [RefusedException]
  /// @throws LeaseException if two results are alive, or a hook of an earlier call did not run
  /// @throws WaitTimeoutException if a peer does not arrive and the buffer does not mask it
  public LowLatencyDispatchResult lowLatencyDispatch(
      Tensor x,
      Tensor topkIdx,
      int numMaxTokensPerRank,
      int numExperts,
      LowLatencyDispatchOptions options) {
    use.claim();
    try {
      LowLatencyDispatchCall call = new LowLatencyDispatchCall();
      call.x = x;
      call.topkIdx = topkIdx;
      call.numMaxTokens = numMaxTokensPerRank;
      call.numExperts = numExperts;
      return lowLatency().dispatch(call, options);
    } finally {
      use.release();
    }
  }

  /// Brings expert outputs home and sums them with their weights: for k ascending `acc =
  /// fma(weight_k, row_k, acc)` in float32 from +0.0, rounded once. Collective.
  ///
  /// @param y BF16 [E/R, numMaxTokensPerRank * R, H], rows as the dispatch packed them
  /// @param topkIdx [tokens, K]; each choice is one of the token's in the dispatch, or -1
  /// @param topkWeights F32 [tokens, K]
  /// @param handle of the dispatch
  /// @param options format, completion, output
  /// @return the sums; tokens with no route give zero
  public LowLatencyCombineResult lowLatencyCombine(
      Tensor y,
      Tensor topkIdx,
      Tensor topkWeights,
      LowLatencyHandle handle,
      LowLatencyCombineOptions options) {
    use.claim();
    try {
      LowLatencyCombineCall call = new LowLatencyCombineCall();
      call.y = y;
      call.topkIdx = topkIdx;
      call.topkWeights = topkWeights;
      return lowLatency().combine(call, handle, options);
    } finally {
      use.release();
    }
  }

  /// Hands out the zero-copy place for the expert outputs of a live low-latency result; there is
  /// one for each result area. Not collective. A combine may read the place until it is handed out
  /// again, be its hook pending or not: ask for it each time before you write. Where graphs hold a
  /// combine and its hook, nothing may be written there from the one to the other.
  ///
  /// @param handle of the dispatch
  /// @return BF16 [E/R, numMaxTokensPerRank * R, H], to be given to a combine with `zeroCopy`
  /// @throws LeaseException if the result was closed, or a combine reads the place whose hook did
  ///   not run, and only one of that combine and this call is recorded in a graph
  public Tensor nextCombineBuffer(LowLatencyHandle handle) {
    use.claim();
    try {
      return lowLatency().combineBuffer(handle);
    } finally {
      use.release();
    }
  }

  /// Waits until no low-latency call is in flight on any living rank: between normal and
  /// low-latency calls on one buffer. Collective; all hooks must have run.
  public void cleanLowLatencyBuffer() {
    claimed(() -> lowLatency().clean());
  }

  /// Masks or unmasks a rank in low-latency mode. Masking is a decision of this rank alone.
  /// Unmasking is a handshake: every living rank and the one that returns call it, or
  /// [#cleanMask()], at the same place in their sequence of calls; hooks that did not run are
  /// abandoned, and dispatches from before cannot be combined any more: ranks may have missed them.
  ///
  /// @param rank which
  /// @param masked true to go on without it
  public void updateMask(int rank, boolean masked) {
    Objects.checkIndex(rank, group.size());
    claimed(() -> lowLatency().updateMask(rank, masked));
  }

  /// {@return for each rank whether it is masked here}
  public boolean[] queryMask() {
    use.claim();
    try {
      return lowLatency().session().masks();
    } finally {
      use.release();
    }
  }

  /// Unmasks all ranks, as [#updateMask] does one. Who does not come in time is masked afterwards.
  /// Collective. Where the network between nodes was down this may take some tries: TCP rests for
  /// seconds before it tries a link again. A rank whose connection the network dropped, since the
  /// link was down for long, stays masked however often this is tried: the handshake does not
  /// connect anew, [#reset()] on all ranks does.
  public void cleanMask() {
    claimed(() -> lowLatency().cleanMask());
  }

  /// Gathers the wait times of all ranks. Collective.
  ///
  /// @param waitStats I64 `[R]` that a low-latency call filled on this rank
  /// @return nanoseconds that each rank (first index) waited for each source
  public long[][] gatherWaits(Tensor waitStats) {
    use.claim();
    try {
      Tensor mine = session.memory().toHost(waitStats);
      byte[] bytes = mine.segment().asSlice(0, group.size() * 8L).toArray(ValueLayout.JAVA_BYTE);
      return WaitMatrix.of(group.allGather(bytes));
    } finally {
      use.release();
    }
  }

  private LowLatencyCalls lowLatency() {
    if (lowLatency == null) {
      throw new InvalidInputException("buffer was opened for normal mode: mode=" + spec.mode());
    }
    return lowLatency;
  }

  /// Makes an aborted buffer usable again, also one that was not aborted; connects anew to ranks of
  /// other nodes if the network dropped any, and unmasks all. Collective: all ranks live; live
  /// leases end.
  ///
  /// @throws TransportUnavailableException on all ranks, if one of them cannot connect to another
  ///   node; the buffer is aborted then, and `reset()` may be called again
  public void reset() {
    use.claim();
    try {
      commStream.awaitSubmitted();
      session.reset();
    } finally {
      use.release();
    }
  }

  /// Tells the peers, waits, bounded, for calls in flight, and releases the windows; a peer that
  /// still reads keeps its own mapping of them. Idempotent and safe after a failure.
  @Override
  public void close() {
    if (!use.close()) {
      return;
    }
    try (session) {
      awaitUser();
      commStream.close();
    }
  }

  /// Waits for a call in flight as long as one of its own waits may take, then ends it: a call may
  /// wait several times. A call claims the buffer before it looks whether it is closed, so none
  /// slips through between the two.
  private void awaitUser() {
    long nanos = spec.hostTimeout().toNanos();
    if (!use.isUnusedWithin(nanos)) {
      session.abort("buffer was closed during a call: rank=" + group.rank());
      use.isUnusedWithin(nanos);
    }
  }

  EngineSession session() {
    return session;
  }

  void recycle(HandleData data) {
    normal.recycle(data);
  }

  void recycle(LowLatencyHandleData data) {
    lowLatency.recycle(data);
  }

  /// Runs something as the one user of the buffer.
  void claimed(Runnable work) {
    use.claim();
    try {
      work.run();
    } finally {
      use.release();
    }
  }

  /// {@return what peers are told of a failure}
  static String reason(Throwable cause) {
    return cause instanceof CrossdockException ? cause.getMessage() : cause.toString();
  }

  /// Publishes that this rank's call is invalid, after the calls made before.
  void refuse(Throwable cause) {
    try {
      commStream.awaitSubmitted();
      session.refuse(reason(cause));
    } catch (RuntimeException e) {
      e.addSuppressed(cause);
      throw e;
    }
  }
}
