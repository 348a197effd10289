package io.crossdock.ucx;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.Mode;
import io.crossdock.core.spi.Pieces;
import io.crossdock.core.spi.TransportSettings;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;

/// Peers in other processes that are killed, stopped, or left: this process lives on, and its
/// transport says so in bounded time.
///
/// Confined to the thread of the test.
final class LostPeerTest {
  private static final Duration TIMEOUT = Duration.ofSeconds(2);
  private static final Duration SOON = Duration.ofSeconds(10);

  @BeforeAll
  static void needUcx() {
    Ucx.require();
  }

  private static UcxTransport open(MemorySegment region) {
    return open(region, TIMEOUT);
  }

  private static UcxTransport open(MemorySegment region, Duration timeout) {
    return Ucx.open(
        PutsKind.MESSAGES, new TransportSettings(Mode.NORMAL, 0, 2, 1, true, timeout), region);
  }

  /// Sends in turns with progress until some marks came.
  private static void stream(UcxTransport transport, MemorySegment region, int marks) {
    Pieces rows = new Pieces();
    Ucx.await(
        () -> {
          if (transport.pending() < 100) {
            PeerProcess.send(transport, 1, region, rows, 1);
          }
          return PeerProcess.mark(region) >= marks;
        },
        transport);
  }

  /// Sends on until the peer is given up, and tells how long that took.
  private static Duration untilFailure(UcxTransport transport, MemorySegment region) {
    Pieces rows = new Pieces();
    long start = System.nanoTime();
    Ucx.await(
        () -> {
          PeerProcess.send(transport, 1, region, rows, 1);
          return transport.failure(1) != null;
        },
        transport);
    return Duration.ofNanos(System.nanoTime() - start);
  }

  private static Duration timeOfClose(UcxTransport transport) {
    long start = System.nanoTime();
    transport.close();
    transport.close();
    return Duration.ofNanos(System.nanoTime() - start);
  }

  @RepeatedTest(8)
  void aKilledPeerIsNoticedMidStream() throws Exception {
    try (Arena arena = Arena.ofShared();
        PeerProcess peer = PeerProcess.start()) {
      MemorySegment region = Ucx.memory(arena, PeerProcess.REGION_BYTES);
      try (UcxTransport transport = open(region)) {
        peer.connect(transport);
        stream(transport, region, 3);
        peer.kill("KILL");
        assertThat(untilFailure(transport, region)).isLessThan(SOON);
        assertThat(transport.failure(1)).contains("peer=1");
        Ucx.await(() -> transport.pending() == 0, transport);
        assertThat(timeOfClose(transport)).isLessThan(SOON);
      }
    }
  }

  @Test
  void aKilledPeerIsNoticedByOneWhoOnlyListens() throws Exception {
    try (Arena arena = Arena.ofShared();
        PeerProcess peer = PeerProcess.start()) {
      MemorySegment region = Ucx.memory(arena, PeerProcess.REGION_BYTES);
      try (UcxTransport transport = open(region)) {
        peer.connect(transport);
        Ucx.await(() -> PeerProcess.mark(region) > 3, transport);
        peer.kill("KILL");
        Ucx.await(() -> transport.failure(1) != null, transport);
        assertThat(timeOfClose(transport)).isLessThan(SOON);
      }
    }
  }

  /// What is under way to a stopped peer may be sent when it wakes up, so its memory stays.
  @Test
  void aStoppedPeerIsGivenUpAndCloseIsBounded() throws Exception {
    try (PeerProcess peer = PeerProcess.start()) {
      MemorySegment region = Ucx.memory(Arena.ofAuto(), PeerProcess.REGION_BYTES);
      UcxTransport transport = open(region);
      peer.connect(transport);
      stream(transport, region, 3);
      peer.kill("STOP");
      assertThat(untilFailure(transport, region)).isLessThan(SOON);
      assertThat(transport.failure(1)).contains("takes nothing in");
      assertThat(timeOfClose(transport)).isLessThan(SOON);
      peer.kill("CONT");
      assertThat(peer.end()).contains("peer=0");
    }
  }

  /// A peer that is given up needs none of the memory that was to be sent, which is gone then.
  @RepeatedTest(3)
  void whatWasForAPeerThatIsGivenUpMayGo() throws Exception {
    try (PeerProcess peer = PeerProcess.start()) {
      MemorySegment region = Ucx.memory(Arena.ofAuto(), PeerProcess.REGION_BYTES);
      UcxTransport transport = open(region);
      try (Arena arena = Arena.ofShared()) {
        MemorySegment rows = Ucx.memory(arena, PeerProcess.REGION_BYTES);
        peer.connect(transport);
        peer.kill("STOP");
        Pieces pieces = new Pieces();
        for (int i = 0; i < 20; i++) {
          PeerProcess.send(transport, 1, rows, pieces, 1);
        }
        assertThat(transport.pending(1)).isPositive().isEqualTo(transport.pending());
        transport.giveUp(1, "peer takes nothing in: peer=1");
        Ucx.await(() -> transport.pending(1) == 0, transport);
      }
      transport.giveUp(1, "again");
      assertThat(transport.failure(1)).isEqualTo("peer takes nothing in: peer=1");
      peer.kill("CONT");
      assertThat(timeOfClose(transport)).isLessThan(SOON);
    }
  }

  @Test
  void closeIsBoundedWhileAPeerIsStopped() throws Exception {
    try (PeerProcess peer = PeerProcess.start()) {
      MemorySegment region = Ucx.memory(Arena.ofAuto(), PeerProcess.REGION_BYTES);
      UcxTransport transport = open(region);
      peer.connect(transport);
      peer.kill("STOP");
      PeerProcess.send(transport, 1, region, new Pieces(), 1);
      assertThat(timeOfClose(transport)).isLessThan(SOON);
    }
  }

  /// There is no room for a farewell, and none is waited for.
  @Test
  void closeDoesNotWaitForRoomAtAStoppedPeer() throws Exception {
    try (PeerProcess peer = PeerProcess.start()) {
      MemorySegment region = Ucx.memory(Arena.ofAuto(), PeerProcess.REGION_BYTES);
      UcxTransport transport = open(region, SOON.multipliedBy(2));
      peer.connect(transport);
      peer.kill("STOP");
      Ucx.await(() -> isFull(transport), transport);
      assertThat(timeOfClose(transport)).isLessThan(SOON);
    }
  }

  private static boolean isFull(UcxTransport transport) {
    while (transport.pending(1) < UcxTransport.SLOTS_A_PEER) {
      int before = transport.pending(1);
      transport.signal(1, 0, 0);
      if (transport.pending(1) == before) {
        return false;
      }
    }
    return true;
  }

  @Test
  void aFarewellIsHeard() throws Exception {
    try (Arena arena = Arena.ofShared();
        PeerProcess peer = PeerProcess.start()) {
      MemorySegment region = Ucx.memory(arena, PeerProcess.REGION_BYTES);
      UcxTransport transport = open(region);
      peer.connect(transport);
      stream(transport, region, 3);
      assertThat(timeOfClose(transport)).isLessThan(SOON);
      assertThat(peer.end()).contains("peer=0");
    }
  }
}
