package io.crossdock.ucx;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.ucx.binding.Operation;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// Forged messages that come over the network: refused, counted, and no harm to the other peer.
///
/// Confined to the thread of the test.
final class ForgeryTest {
  private static final int REGION_BYTES = 4096;
  private static final int FORGER = 2;

  private final Arena arena = Arena.ofShared();
  private MemorySegment region;
  private UcxTransport target;
  private UcxTransport honest;
  private Offer offer;
  private Stranger stranger;

  @BeforeEach
  void open() {
    Ucx.require();
    region = Ucx.memory(arena, REGION_BYTES);
    target = Ucx.open(PutsKind.MESSAGES, 0, 3, region);
    honest = Ucx.open(PutsKind.MESSAGES, 1, 3, Ucx.memory(arena, REGION_BYTES));
    target.connect(1, honest.offer());
    honest.connect(0, target.offer());
    offer = Offer.decode(target.offer());
    Ucx.await(() -> target.isConnected(1) && honest.isConnected(0), target, honest);
    stranger = new Stranger(offer);
  }

  @AfterEach
  void close() {
    if (stranger != null) {
      stranger.close();
      honest.close();
      target.close();
    }
    arena.close();
  }

  private void await(BooleanSupplier condition) {
    Ucx.await(
        () -> {
          stranger.progress();
          return condition.getAsBoolean();
        },
        target,
        honest);
  }

  private void send(long token, long sequence, long offset) {
    Operation operation = stranger.operation();
    Note note = Note.in(operation.header(), FORGER, token, sequence).put(offset, 8).signal(64, 1);
    operation.add(stranger.data(8).address(), 8);
    stranger.send(operation, note.byteSize());
  }

  private void assertNothingWasStored() {
    assertThat(region.toArray(JAVA_BYTE)).containsOnly(0);
  }

  private void assertTheHonestPeerIsHeard() {
    honest.signal(0, 128, 77);
    await(() -> region.get(JAVA_LONG, 128) == 77);
    assertThat(target.failure(1)).isNull();
  }

  @Test
  void aWrongTokenIsCountedAndHarmsNobody() {
    for (int i = 0; i < 10; i++) {
      send(offer.tokens()[FORGER] ^ (1L << i), i, 0);
    }
    await(() -> target.traffic().refusedStrangers == 10);
    assertNothingWasStored();
    assertThat(target.failure(FORGER)).isNull();
    assertTheHonestPeerIsHeard();
  }

  @Test
  void aReplayIsRefusedAndFailsThePeer() {
    send(offer.tokens()[FORGER], 0, 8);
    await(() -> region.get(JAVA_LONG, 64) == 1);
    region.fill((byte) 0);
    send(offer.tokens()[FORGER], 0, 8);
    await(() -> target.failure(FORGER) != null);
    assertThat(target.failure(FORGER)).contains("out of turn");
    assertThat(target.traffic().refusedMessages).isEqualTo(1);
    assertNothingWasStored();
    assertTheHonestPeerIsHeard();
  }

  @Test
  void whatLiesOutsideIsRefusedAndFailsThePeer() {
    send(offer.tokens()[FORGER], 0, REGION_BYTES - 7);
    await(() -> target.failure(FORGER) != null);
    assertThat(target.failure(FORGER)).contains("out of bounds");
    assertNothingWasStored();
    assertTheHonestPeerIsHeard();
  }

  @Test
  void aPeerThatFailedIsNotHeardAgain() {
    send(offer.tokens()[FORGER], 3, 0);
    send(offer.tokens()[FORGER], 0, 0);
    await(() -> target.traffic().refusedMessages == 2);
    assertNothingWasStored();
    assertTheHonestPeerIsHeard();
  }

  @Test
  void aHeaderThatIsCutIsAStranger() {
    Operation operation = stranger.operation();
    Note.in(operation.header(), FORGER, offer.tokens()[FORGER], 0);
    stranger.send(operation, Frame.FIXED_BYTES - 1);
    await(() -> target.traffic().refusedStrangers == 1);
    assertThat(target.failure(FORGER)).isNull();
    assertTheHonestPeerIsHeard();
  }

  /// More bytes than a message of ours ever has: in parts, or asked to be fetched.
  @Test
  void aMessageLargerThanASegmentIsRefusedOrHarmless() {
    Operation operation = stranger.operation();
    long bytes = 4 << 20;
    Note note = Note.in(operation.header(), FORGER, offer.tokens()[FORGER], 0).put(0, bytes);
    operation.add(stranger.data(bytes).address(), bytes);
    stranger.send(operation, note.byteSize());
    await(() -> target.failure(FORGER) != null);
    assertThat(target.traffic().refusedMessages).isEqualTo(1);
    assertNothingWasStored();
    assertTheHonestPeerIsHeard();
  }
}
