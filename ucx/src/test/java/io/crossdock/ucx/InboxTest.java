package io.crossdock.ucx;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.ucx.binding.Operation;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// What is taken in and what is refused, with messages from memory. UCX is not needed.
///
/// Confined to the thread of the test.
final class InboxTest {
  private static final int REGION_BYTES = 512;
  private static final int FENCE_BYTES = 256;
  private static final int DATA_BYTES = 1024;
  private static final byte UNTOUCHED = 0x5a;
  private static final long TOKEN = 0x1122_3344_5566_7788L;

  private final Arena arena = Arena.ofConfined();
  private final MemorySegment whole = arena.allocate(REGION_BYTES + 2L * FENCE_BYTES, 64);
  private final MemorySegment region = whole.asSlice(FENCE_BYTES, REGION_BYTES);
  private final MemorySegment data = arena.allocate(DATA_BYTES, 64);
  private final MemorySegment header = arena.allocate(Operation.HEADER_BYTES, 64);
  private final Peer[] peers = {new Peer(0, 7), new Peer(1, TOKEN)};
  private final Traffic traffic = new Traffic();
  private final Inbox inbox = new Inbox(region, peers, traffic, new FailingRoom());

  @BeforeEach
  void fill() {
    whole.fill(UNTOUCHED);
    data.fill((byte) 1);
  }

  @AfterEach
  void close() {
    arena.close();
  }

  private Note note(long sequence) {
    return Note.in(header, 1, TOKEN, sequence);
  }

  private void take(Note note, long dataBytes) {
    inbox.received(note.address(), note.byteSize(), data.address(), dataBytes, true);
  }

  private void assertUntouched() {
    assertThat(whole.toArray(JAVA_BYTE)).containsOnly(UNTOUCHED);
  }

  private void assertRefused(String reason) {
    assertThat(peers[1].failure()).contains(reason);
    assertThat(traffic.refusedMessages).isEqualTo(1);
    assertThat(traffic.refusedStrangers).isZero();
    assertThat(peers[0].failure()).isNull();
    assertUntouched();
  }

  private void assertStranger() {
    assertThat(peers[1].failure()).isNull();
    assertThat(traffic.refusedStrangers).isEqualTo(1);
    assertThat(traffic.refusedMessages).isZero();
    assertUntouched();
  }

  @Test
  void putsAndSignalsOfAMessageAreStored() {
    take(note(0).put(3, 5).put(100, 2).signal(8, 42), 7);
    take(note(1).signal(REGION_BYTES - 8, 43), 0);
    assertThat(region.get(JAVA_LONG, 8)).isEqualTo(42);
    assertThat(region.get(JAVA_LONG, REGION_BYTES - 8)).isEqualTo(43);
    assertThat(region.asSlice(3, 5).toArray(JAVA_BYTE)).containsOnly(1);
    assertThat(region.asSlice(100, 2).toArray(JAVA_BYTE)).containsOnly(1);
    assertThat(region.get(JAVA_BYTE, 102)).isEqualTo(UNTOUCHED);
    assertThat(peers[1].failure()).isNull();
    assertThat(traffic.refusedMessages + traffic.refusedStrangers).isZero();
  }

  @Test
  void aPutMayFillTheRegion() {
    take(note(0).put(0, REGION_BYTES), REGION_BYTES);
    assertThat(region.toArray(JAVA_BYTE)).containsOnly(1);
    assertThat(whole.asSlice(0, FENCE_BYTES).toArray(JAVA_BYTE)).containsOnly(UNTOUCHED);
    assertThat(whole.asSlice(FENCE_BYTES + REGION_BYTES).toArray(JAVA_BYTE))
        .containsOnly(UNTOUCHED);
  }

  @Test
  void aWrongTokenIsAStranger() {
    take(Note.in(header, 1, TOKEN + 1, 0).put(0, 8), 8);
    assertStranger();
  }

  @Test
  void theTokenOfAnotherRankIsAStranger() {
    take(Note.in(header, 0, TOKEN, 0).put(0, 8), 8);
    assertStranger();
  }

  @Test
  void aSenderOutOfRangeIsAStranger() {
    take(Note.in(header, 2, TOKEN, 0).put(0, 8), 8);
    assertStranger();
    take(Note.in(header, -1, TOKEN, 0).put(0, 8), 8);
    assertThat(traffic.refusedStrangers).isEqualTo(2);
  }

  @Test
  void aShortHeaderIsAStranger() {
    Note note = note(0);
    for (int bytes = 0; bytes < Frame.FIXED_BYTES; bytes++) {
      inbox.received(note.address(), bytes, data.address(), 0, true);
    }
    assertThat(traffic.refusedStrangers).isEqualTo(Frame.FIXED_BYTES);
    assertThat(peers[1].failure()).isNull();
  }

  @Test
  void aReplayFailsThePeer() {
    Note note = note(0).record(Frame.WELCOME, 0, 0);
    take(note, 0);
    take(note, 0);
    assertRefused("out of turn");
  }

  @Test
  void aGapFailsThePeer() {
    take(note(1).put(0, 8), 8);
    assertRefused("expected=0, seen=1");
  }

  @Test
  void everyCutHeaderFailsThePeer() {
    Note note = note(0).put(0, 8).signal(8, 1);
    inbox.received(note.address(), note.byteSize() - 1, data.address(), 8, true);
    assertRefused("header of another size");
  }

  @Test
  void aCountThatIsWrongFailsThePeer() {
    take(note(0).put(0, 8).count(2), 8);
    assertRefused("header of another size");
  }

  @Test
  void aNegativeCountFailsThePeer() {
    take(note(0).put(0, 8).count(-1), 8);
    assertRefused("header of another size");
  }

  @Test
  void aHugeCountFailsThePeer() {
    take(note(0).put(0, 8).count(Integer.MAX_VALUE), 8);
    assertRefused("header of another size");
  }

  @Test
  void nothingIsStoredIfOneRecordIsOutside() {
    take(note(0).put(0, 8).signal(16, 3).put(REGION_BYTES - 7, 8), 16);
    assertRefused("out of bounds");
  }

  @Test
  void aPutBeyondTheRegionFailsThePeer() {
    take(note(0).put(REGION_BYTES + 64, 8), 8);
    assertRefused("out of bounds");
  }

  @Test
  void aPutOfNegativeSizeFailsThePeer() {
    take(note(0).put(64, -8).put(0, 16), 8);
    assertRefused("out of bounds");
  }

  @Test
  void aPutWhoseEndOverflowsFailsThePeer() {
    take(note(0).put(8, Long.MAX_VALUE), 8);
    assertRefused("out of bounds");
  }

  @Test
  void aSignalBeyondTheRegionFailsThePeer() {
    take(note(0).signal(REGION_BYTES, 1), 0);
    assertRefused("out of bounds");
  }

  @Test
  void aCrookedSignalFailsThePeer() {
    take(note(0).signal(4, 1), 0);
    assertRefused("out of bounds");
  }

  @Test
  void anUnknownKindFailsThePeer() {
    take(note(0).record(99, 0, 8), 8);
    assertRefused("out of bounds");
  }

  @Test
  void lessDataThanPutsFailsThePeer() {
    take(note(0).put(0, 8).put(8, 8), 15);
    assertRefused("less data");
  }

  @Test
  void moreDataThanPutsFailsThePeer() {
    take(note(0).put(0, 8), 9);
    assertRefused("more data");
  }

  @Test
  void dataThatHasNotArrivedFailsThePeer() {
    Note note = note(0).put(0, 8);
    inbox.received(note.address(), note.byteSize(), data.address(), 8, false);
    assertRefused("less data");
  }

  @Test
  void nothingIsTakenFromAPeerThatFailed() {
    take(note(5).put(0, 8), 8);
    take(note(0).put(0, 8), 8);
    assertThat(traffic.refusedMessages).isEqualTo(2);
    assertUntouched();
  }

  @Test
  void aFarewellEndsThePeer() {
    take(note(0).record(Frame.FAREWELL, 0, 0), 0);
    assertThat(peers[1].failure()).contains("closed its transport");
  }

  /// Random words in the header: nothing outside of the region changes, and nothing is thrown.
  @Test
  void noiseNeverLeavesTheRegion() {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    for (int round = 0; round < 20_000; round++) {
      peers[1] = new Peer(1, TOKEN);
      Note note = note(0);
      for (int record = random.nextInt(4); record >= 0; record--) {
        note.record(random.nextInt(8), noise(random), noise(random));
      }
      take(note, random.nextInt(DATA_BYTES));
    }
    assertThat(whole.asSlice(0, FENCE_BYTES).toArray(JAVA_BYTE))
        .as("seed=%s", seed)
        .containsOnly(UNTOUCHED);
    assertThat(whole.asSlice(FENCE_BYTES + REGION_BYTES).toArray(JAVA_BYTE))
        .as("seed=%s", seed)
        .containsOnly(UNTOUCHED);
    assertThat(traffic.refusedMessages).isPositive();
  }

  private static long noise(Random random) {
    return switch (random.nextInt(3)) {
      case 0 -> random.nextLong();
      case 1 -> -random.nextInt(REGION_BYTES);
      default -> random.nextInt(REGION_BYTES + 16);
    };
  }

  /// Fails peers and waits for none.
  ///
  /// Confined to the thread of the test.
  private static final class FailingRoom implements Room {
    @Override
    public void awaitFree(Peer peer) {
      throw new AssertionError("an inbox waits for nobody");
    }

    @Override
    public void fail(Peer peer, String reason) {
      peer.fail(reason);
    }
  }
}
