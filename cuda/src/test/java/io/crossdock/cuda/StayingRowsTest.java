package io.crossdock.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.core.LeaseException;
import io.crossdock.core.protocol.LowLatencyHandleData;
import io.crossdock.core.spi.LowLatencyCombineCall;
import org.junit.jupiter.api.Test;

/// When own rows of a combine must leave its buffer, and when that cannot be told.
class StayingRowsTest {
  private final StayingRows staying = new StayingRows(3);
  private final LowLatencyHandleData handle = handleIn(1);
  private long tickets;

  private LowLatencyHandleData handleIn(int area) {
    LowLatencyHandleData made = new LowLatencyHandleData();
    made.area = area;
    made.ticket = ++tickets;
    return made;
  }

  private LowLatencyCombineCall combine(LowLatencyHandleData of, boolean isRecorded) {
    LowLatencyCombineCall call = new LowLatencyCombineCall();
    call.handle = of;
    staying.add(call, isRecorded);
    return call;
  }

  @Test
  void rowsStayUntilTheHookIfTheBufferIsNotHandedOut() {
    LowLatencyCombineCall call = combine(handle, false);
    assertThat(staying.end(call)).isTrue();
    assertThat(staying.end(call)).isFalse();
    assertThat(staying.leaving(handle, false)).isEmpty();
  }

  @Test
  void rowsOfTheAreaLeaveOnce() {
    LowLatencyCombineCall first = combine(handle, false);
    LowLatencyCombineCall second = combine(handle, false);
    LowLatencyCombineCall other = combine(handleIn(0), false);
    LowLatencyHandleData next = handleIn(1);
    assertThat(staying.leaving(next, false)).containsExactly(first, second);
    staying.left(next);
    assertThat(staying.leaving(next, false)).isEmpty();
    assertThat(staying.end(first)).isFalse();
    assertThat(staying.end(other)).isTrue();
  }

  @Test
  void rowsOfARecordedCombineLeaveInTheSameGraph() {
    LowLatencyCombineCall call = combine(handle, true);
    assertThat(staying.leaving(handle, true)).containsExactly(call);
  }

  @Test
  void aRecordedCombineHoldsItsBufferOutsideOfTheGraph() {
    combine(handle, true);
    assertThatThrownBy(() -> staying.leaving(handle, false))
        .isInstanceOf(LeaseException.class)
        .hasMessageContaining("rank=3, area=1, combineIsRecorded=true, recording=false");
    assertThat(staying.leaving(handleIn(1), false)).as("of another result").isEmpty();
  }

  @Test
  void aPendingCombineHoldsItsBufferWhileAGraphIsRecorded() {
    combine(handle, false);
    assertThatThrownBy(() -> staying.leaving(handleIn(1), true))
        .isInstanceOf(LeaseException.class)
        .hasMessageContaining("combineIsRecorded=false, recording=true");
    assertThat(staying.leaving(handleIn(0), true)).as("of another area").isEmpty();
  }

  @Test
  void aRestartForgetsAll() {
    LowLatencyCombineCall call = combine(handle, false);
    staying.clear();
    assertThat(staying.end(call)).isFalse();
  }
}
