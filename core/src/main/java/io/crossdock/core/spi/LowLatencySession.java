package io.crossdock.core.spi;

import io.crossdock.core.BareCosts;
import io.crossdock.core.EngineUnavailableException;
import io.crossdock.core.protocol.LowLatencyHandleData;
import java.lang.foreign.MemorySegment;
import java.util.List;

/// One rank's side of low-latency mode in an engine. The caller has validated shapes and dtypes.
///
/// Confined to one call at a time, except [#endResult], which is safe for any thread.
public interface LowLatencySession {
  /// Claims a result area, before anything is sent. If it throws, nothing is claimed and [#refuse]
  /// must follow.
  ///
  /// @param call the dispatch
  void reserve(LowLatencyDispatchCall call);

  /// Checks what only the engine can, such as values of `topkIdx`, and that the combine buffer is
  /// the handle's. If it throws, [#refuse] must follow.
  ///
  /// @param call the combine
  void reserve(LowLatencyCombineCall call);

  /// Sends the rows of a dispatch to where they are packed. If it throws before anything was sent,
  /// the peers were told.
  ///
  /// @param call a reserved dispatch
  void send(LowLatencyDispatchCall call);

  /// Waits for the rows of a dispatch and packs them.
  ///
  /// @param call a sent dispatch
  void receive(LowLatencyDispatchCall call);

  /// Sends expert outputs home.
  ///
  /// @param call a reserved combine
  void send(LowLatencyCombineCall call);

  /// Waits for expert outputs and sums them.
  ///
  /// @param call a sent combine
  void receive(LowLatencyCombineCall call);

  /// Forgets what is known of a combine one of whose halves failed.
  ///
  /// @param call a combine
  default void giveBack(LowLatencyCombineCall call) {}

  /// Publishes that this rank's call was invalid: every rank throws, the buffer stays usable.
  ///
  /// @param reason the error message
  void refuse(String reason);

  /// {@return memory of BF16 [E/R, maxTok * R, H] for the expert outputs of a live result}
  ///
  /// @param handle of the dispatch
  MemorySegment combineBuffer(LowLatencyHandleData handle);

  /// Ends the lease of a result area.
  ///
  /// @param area index
  /// @param ticket the lease's
  void endResult(int area, long ticket);

  /// {@return an empty handle to be filled by a dispatch}
  LowLatencyHandleData newHandle();

  /// Waits until all living ranks came here. A call of its own.
  void clean();

  /// Masks a peer, here only: nothing is sent to it and nothing read from it.
  ///
  /// @param peer a rank
  void mask(int peer);

  /// {@return which ranks are masked here; a copy}
  boolean[] masks();

  /// Unmasks ranks together with all living ones, which call this too. Abandons calls whose hook
  /// did not run. Ranks that do not come in time are masked afterwards.
  ///
  /// @param returning ranks to be unmasked
  void rejoin(boolean[] returning);

  /// Times the parts of a call alone, on memory of the next one. No call is in flight on any rank;
  /// all ranks call it.
  ///
  /// @param rounds how often each is run
  /// @return what they cost
  /// @throws EngineUnavailableException if the engine cannot
  default BareCosts bareCosts(int rounds) {
    throw new EngineUnavailableException(
        "bare costs", List.of("this engine does not time its parts alone"));
  }
}
