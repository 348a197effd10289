package io.crossdock.core.spi;

import io.crossdock.core.CallStats;
import io.crossdock.core.CallTimer;
import io.crossdock.core.Domain;
import io.crossdock.core.EngineMemory;
import io.crossdock.core.EngineUnavailableException;
import io.crossdock.core.ExecutionStream;
import io.crossdock.core.Layout;
import io.crossdock.core.NetworkCosts;
import io.crossdock.core.NetworkLoad;
import io.crossdock.core.RecordedCalls;
import io.crossdock.core.StandInWork;
import io.crossdock.core.Tensor;
import io.crossdock.core.protocol.HandleData;
import java.util.List;

/// One rank's side of a buffer in an engine. The caller has validated shapes and dtypes.
///
/// Confined to one call at a time, except that the next call may be reserved meanwhile, and that
/// [#endLease], [#endOutputLease] and [#abort] are safe for any thread.
public interface EngineSession extends AutoCloseable {
  /// What an engine says whose waits happen elsewhere.
  long[] NO_WAITS = {};

  /// {@return the name of the engine}
  String engine();

  /// {@return the memory of this rank's device; the same object each time}
  EngineMemory memory();

  /// {@return the stream that the calls of the buffer run on; the same object each time. The buffer
  /// runs [#enter], [#place], [#combine] and [#lendOutput] as part of it, and closes it before the
  /// session}
  ExecutionStream commStream();

  /// {@return how the ranks of the node reach each other, for example `shm`}
  String transport();

  /// {@return a new timer of the current stream}
  CallTimer timer();

  /// Throws what a call failed with that returned before it was over, or that was replayed without
  /// the host. Does nothing on an engine whose calls tell themselves.
  void check();

  /// Lets what comes behind it on the communication stream start when all ranks came here.
  /// Collective; the buffer runs it as part of that stream.
  void barrier();

  /// Runs work with a stream of its own as the current stream of the calling thread, and waits,
  /// bounded, until what was enqueued is over. Where threads are streams it just runs the work.
  ///
  /// @param work runs at once
  default void onOwnStream(Runnable work) {
    work.run();
  }

  /// Records the calls that some work makes, none of which runs.
  ///
  /// @param work enqueues on the current stream
  /// @return runs them
  /// @throws EngineUnavailableException if the engine cannot
  default RecordedCalls record(Runnable work) {
    throw new EngineUnavailableException(
        "recorded calls", List.of("this engine makes its calls on the host"));
  }

  /// Computes for nothing on the current stream: see [StandInWork].
  ///
  /// @param extent how much of a GPU computes
  /// @param steps how much
  default void compute(StandInWork.Extent extent, long steps) {
    StandInWork.onThisThread(steps);
  }

  /// Times the network between nodes alone. Collective; no call is in flight on any rank.
  ///
  /// @param load what every rank sends
  /// @return what it takes
  /// @throws EngineUnavailableException if there is none
  default NetworkCosts networkCosts(NetworkLoad load) {
    throw new EngineUnavailableException(
        "network costs", List.of("this buffer has no network between nodes"));
  }

  /// Computes a layout. Not collective, and no part of the order of calls: it may run while a call
  /// before is still in flight, so the buffer does not run it as part of the communication stream.
  /// On a GPU it comes after the current stream's work so far and before its later work.
  ///
  /// @param topkIdx [tokens, K]
  /// @param target filled
  void layout(Tensor topkIdx, Layout target);

  /// Claims a receive window and checks leases, before anything is sent. If it throws, nothing is
  /// claimed and [#refuse] must follow.
  ///
  /// @param call the dispatch
  void reserve(DispatchCall call);

  /// Gives back what reserve claimed for a call that will not be entered. [#refuse] must follow.
  ///
  /// @param call a reserved dispatch
  void withdraw(DispatchCall call);

  /// Enters the epoch and learns all counts. Afterwards `call.numRecvRows` and the handle's counts
  /// are known, unless a GPU was asked for `numWorstTokens`.
  ///
  /// @param call a reserved dispatch
  void enter(DispatchCall call);

  /// Places all rows and waits for all peers'. Afterwards the outputs are complete.
  ///
  /// @param call an entered dispatch
  void place(DispatchCall call);

  /// Claims the expert-output window that the outputs lie in, if it was handed out, before anything
  /// is sent. If it throws, nothing is claimed and [#refuse] must follow.
  ///
  /// @param call the combine
  void reserve(CombineCall call);

  /// Gives back what reserve claimed for a call that will not be entered. [#refuse] must follow.
  ///
  /// @param call a reserved combine
  void withdraw(CombineCall call);

  /// Runs a combine from staging to the last row. If a rank refuses, a claimed window goes back to
  /// its lease.
  ///
  /// @param call a reserved combine
  void combine(CombineCall call);

  /// Publishes that this rank's call was invalid: every rank throws, the buffer stays usable.
  ///
  /// @param reason the error message
  void refuse(String reason);

  /// Hands out a place for expert outputs. Waits, bounded, until readers are done with it.
  ///
  /// @param handle of the dispatch to be combined
  /// @return the place
  OutputPlace lendOutput(HandleData handle);

  /// Ends the lease of an expert-output window that was never combined.
  ///
  /// @param window index
  /// @param ticket the lease's
  void endOutputLease(int window, long ticket);

  /// Ends the lease of a borrowed result.
  ///
  /// @param window index
  /// @param ticket the lease's
  void endLease(int window, long ticket);

  /// {@return an empty handle to be filled by a dispatch}
  HandleData newHandle();

  /// {@return low-latency mode; the same object each time}
  ///
  /// @throws EngineUnavailableException if the engine lacks it, or the buffer was not opened for it
  default LowLatencySession lowLatency() {
    throw new EngineUnavailableException(
        "low-latency mode", List.of("this engine has normal mode only"));
  }

  /// {@return registered window bytes of this rank}
  ///
  /// @param domain which domain
  long windowBytes(Domain domain);

  /// {@return what the last call did}
  CallStats lastCall();

  /// {@return nanoseconds that the last call waited for each peer beyond the first look; empty if
  /// the host does not know. The same array each time, valid until the next call begins}
  default long[] lastWaits() {
    return NO_WAITS;
  }

  /// Tells all peers that this rank gives up.
  ///
  /// @param reason why
  void abort(String reason);

  /// Makes an aborted buffer usable again. Collective.
  void reset();

  /// Tells peers that this rank leaves and releases the windows, not before peers that still read
  /// them can do without. Idempotent.
  @Override
  void close();
}
