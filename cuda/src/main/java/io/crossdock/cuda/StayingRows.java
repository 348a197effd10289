package io.crossdock.cuda;

import io.crossdock.core.LeaseException;
import io.crossdock.core.protocol.LowLatencyHandleData;
import io.crossdock.core.spi.LowLatencyCombineCall;
import java.util.ArrayList;
import java.util.List;

/// Zero-copy combines whose hook did not run: until then this rank's own rows lie in the combine
/// buffer, so they must leave it before it is handed out again.
///
/// Confined to one call at a time.
final class StayingRows {
  private record Combine(LowLatencyCombineCall call, int area, long lease, boolean isRecorded) {}

  private final int rank;
  private final List<Combine> combines = new ArrayList<>();

  StayingRows(int rank) {
    this.rank = rank;
  }

  void add(LowLatencyCombineCall call, boolean isRecorded) {
    combines.add(new Combine(call, call.handle.area, call.handle.ticket, isRecorded));
  }

  /// Forgets a combine whose hook runs now, or that failed.
  ///
  /// @return true if its rows did not have to leave
  boolean end(LowLatencyCombineCall call) {
    return combines.removeIf(combine -> combine.call == call);
  }

  /// {@return the combines whose rows must leave the buffer of a handle, in the same graph if they
  /// were recorded}
  ///
  /// @throws LeaseException if one was made outside of the graph that is recorded now, or recorded
  ///   with the same handle while none is recorded now
  List<LowLatencyCombineCall> leaving(LowLatencyHandleData handle, boolean isRecording) {
    List<LowLatencyCombineCall> leaving = new ArrayList<>();
    for (Combine combine : combines) {
      if (combine.area != handle.area) {
        continue;
      }
      if (combine.isRecorded == isRecording) {
        leaving.add(combine.call);
      } else if (isRecording || combine.lease == handle.ticket) {
        throw held(combine, isRecording);
      }
    }
    return leaving;
  }

  private LeaseException held(Combine combine, boolean isRecording) {
    return new LeaseException(
        "a combine reads the place until its hook has run: rank="
            + rank
            + ", area="
            + combine.area
            + ", combineIsRecorded="
            + combine.isRecorded
            + ", recording="
            + isRecording
            + ", remedy=run the hook before, or record all in one graph");
  }

  /// Forgets combines whose rows left the buffer of a handle.
  void left(LowLatencyHandleData handle) {
    combines.removeIf(combine -> combine.area == handle.area);
  }

  void clear() {
    combines.clear();
  }
}
