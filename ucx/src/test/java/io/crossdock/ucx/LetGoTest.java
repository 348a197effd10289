package io.crossdock.ucx;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.Mode;
import io.crossdock.core.spi.Pieces;
import io.crossdock.core.spi.TransportSettings;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Whether memory may go once a transport is closed.
///
/// Confined to the thread of the test.
final class LetGoTest {
  /// More than sockets take in while the receiver makes no progress.
  private static final long REGION_BYTES = 32 << 20;

  private static final long ROWS_AT = 4096;

  @BeforeAll
  static void needUcx() {
    Ucx.require();
  }

  @ParameterizedTest
  @EnumSource
  void memoryMayGoWhenAllCameToAnEnd(PutsKind kind) {
    try (Arena arena = Arena.ofShared()) {
      UcxTransport a = Ucx.open(kind, 0, 2, Ucx.memory(arena, REGION_BYTES));
      UcxTransport b = Ucx.open(kind, 1, 2, Ucx.memory(arena, REGION_BYTES));
      Ucx.connect(a, b);
      assertThat(a.hasLetGo()).isFalse();
      a.close();
      b.close();
      assertThat(a.hasLetGo()).isTrue();
      assertThat(b.hasLetGo()).isTrue();
    }
  }

  /// There is no time to end a put, so the arena must never be closed.
  @ParameterizedTest
  @EnumSource
  void memoryMustStayWhenThereWasNoTimeToEnd(PutsKind kind) {
    Arena kept = Arena.ofShared();
    MemorySegment region = Ucx.memory(kept, REGION_BYTES);
    TransportSettings hasty =
        new TransportSettings(Mode.NORMAL, 0, 2, 1, true, Duration.ofNanos(1));
    UcxTransport a = Ucx.open(kind, hasty, region);
    UcxTransport b = Ucx.open(kind, 1, 2, Ucx.memory(kept, REGION_BYTES));
    Ucx.connect(a, b);
    a.put(1, ROWS_AT, new Pieces().add(region, ROWS_AT, REGION_BYTES - ROWS_AT));
    a.close();
    assertThat(a.hasLetGo()).isFalse();
    a.close();
    assertThat(a.hasLetGo()).isFalse();
    b.close();
  }
}
