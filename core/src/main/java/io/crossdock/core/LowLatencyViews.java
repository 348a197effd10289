package io.crossdock.core;

import io.crossdock.core.protocol.LowLatencyState;
import io.crossdock.core.spi.LowLatencyDispatchCall;
import java.util.Optional;

/// The tensors of the result areas. The steps of a decoder have the same shapes again and again, so
/// those of the last dispatch into an area are kept.
///
/// Confined to the thread that uses the buffer.
final class LowLatencyViews {
  private final Device device;
  private final int numRanks;
  private final long hidden;
  private final View[] last = new View[LowLatencyState.MAX_LIVE_RESULTS];

  LowLatencyViews(Device device, int numRanks, long hidden) {
    this.device = device;
    this.numRanks = numRanks;
    this.hidden = hidden;
  }

  /// The tensors of one result, and what they follow from.
  ///
  /// Safe for any thread.
  record View(
      LowLatencyFormat format,
      int numExperts,
      int numMaxTokens,
      LowLatencyDispatchResult.Outputs outputs,
      Tensor srcInfo,
      Tensor layoutRange) {

    /// {@return true if a call has the same tensors}
    boolean fits(LowLatencyDispatchCall call) {
      return format == call.format
          && numExperts == call.numExperts
          && numMaxTokens == call.numMaxTokens;
    }
  }

  /// {@return the tensors of a dispatch whose result area was reserved}
  View of(LowLatencyDispatchCall call) {
    int area = call.handle.area;
    View view = last[area];
    if (view == null || !view.fits(call)) {
      view = make(call);
      last[area] = view;
    }
    return view;
  }

  private View make(LowLatencyDispatchCall call) {
    long local = call.numExperts / numRanks;
    long rows = (long) call.numMaxTokens * numRanks;
    LowLatencyDispatchCall.Result result = call.result;
    Tensor x = Tensor.of(device, result.rows(), call.format.rowType(), local, rows, hidden);
    Tensor count = Tensor.of(device, result.count(), DType.I32, local);
    return new View(
        call.format,
        call.numExperts,
        call.numMaxTokens,
        new LowLatencyDispatchResult.Outputs(x, scales(call, local, rows), count),
        Tensor.of(device, result.srcInfo(), DType.I32, local, rows),
        Tensor.of(device, result.layoutRange(), DType.I32, local, numRanks, 2));
  }

  private Optional<Tensor> scales(LowLatencyDispatchCall call, long local, long rows) {
    if (!call.format.isFp8()) {
      return Optional.empty();
    }
    long groups = hidden / BufferSpec.CHANNELS_PER_SCALE;
    boolean packed = call.format == LowLatencyFormat.FP8_UE8M0;
    DType type = packed ? DType.I32 : DType.F32;
    long columns = packed ? (groups + 3) / 4 : groups;
    return Optional.of(
        Tensor.columnMajor(device, call.result.scales(), type, local, rows, columns));
  }
}
