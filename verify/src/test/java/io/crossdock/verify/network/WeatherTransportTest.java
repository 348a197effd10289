package io.crossdock.verify.network;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.core.EngineUnavailableException;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.Mode;
import io.crossdock.core.spi.Pieces;
import io.crossdock.core.spi.TransportChoice;
import io.crossdock.verify.network.Forecast.Puts;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// The test transport does what the contract of transports allows, no more, and catches callers
/// that break it. `-Dcrossdock.seed` draws other weather; a failure prints the seed.
class WeatherTransportTest {
  private static final int FLAG = WeatherPair.REGION_BYTES - 8;
  private static final int ROUNDS = 300;

  @BeforeEach
  void forecast() {
    Weather.forecast(Weather.USUAL);
  }

  @AfterEach
  void nothingIsLeft() {
    assertThat(Weather.takeWrongs()).as("seed=%d", Weather.forecast().seed()).isEmpty();
    assertThat(Weather.numOpen()).isZero();
    Weather.forecast(Weather.USUAL);
  }

  private static WeatherPair pair(Puts puts) {
    Weather.forecast(Weather.USUAL.withPuts(puts));
    return new WeatherPair(2).connected();
  }

  private static String seed() {
    return "seed=" + Weather.forecast().seed();
  }

  private static void fill(MemorySegment memory, long from, long bytes, int round) {
    for (long at = from; at < from + bytes; at++) {
      memory.set(JAVA_BYTE, at, (byte) (at * 7 + round));
    }
  }

  /// What was put before a signal is there when the signal is.
  @ParameterizedTest
  @EnumSource(Puts.class)
  void nothingIsOvertakenByASignal(Puts puts) {
    try (WeatherPair pair = pair(puts)) {
      SplittableRandom random = new SplittableRandom(Weather.forecast().seed());
      for (int round = 1; round <= ROUNDS; round++) {
        int now = round;
        long from = random.nextInt(1000);
        long bytes = random.nextInt(9000);
        fill(pair.source(0), from, bytes, round);
        for (long at = from; at < from + bytes; ) {
          long part = Math.min(from + bytes - at, 1 + random.nextInt(3000));
          pair.put(0, 1, at, part);
          at += part;
        }
        pair.of(0).signal(1, FLAG, round);
        pair.await("signal", () -> pair.load(1, FLAG) == now);
        long end = from + bytes;
        assertThat(MemorySegment.mismatch(pair.region(1), from, end, pair.source(0), from, end))
            .as("%s, round=%d", seed(), round)
            .isEqualTo(-1);
        pair.await("nothing is pending", () -> pair.of(0).pending() == 0);
      }
    }
  }

  @ParameterizedTest
  @EnumSource(Puts.class)
  void signalsOfAPeerComeInTheirOrder(Puts puts) {
    try (WeatherPair pair = pair(puts)) {
      long[] seen = {0};
      for (int value = 1; value <= ROUNDS; value++) {
        pair.of(0).signal(1, FLAG, value);
      }
      pair.await(
          "last signal",
          () -> {
            long got = pair.load(1, FLAG);
            assertThat(got).as(seed()).isGreaterThanOrEqualTo(seen[0]);
            seen[0] = got;
            return got == ROUNDS;
          });
    }
  }

  /// Some put comes in parts, and some later put comes before an earlier one or a signal.
  @ParameterizedTest
  @EnumSource(Puts.class)
  void putsAreTornAndReordered(Puts puts) {
    int torn = 0;
    int reordered = 0;
    int ahead = 0;
    try (WeatherPair pair = pair(puts)) {
      for (int round = 1; round <= ROUNDS; round++) {
        long value = round * 0x0101_0101_0101_0101L;
        pair.source(0).set(JAVA_LONG, 0, value);
        pair.source(0).set(JAVA_LONG, 8, value);
        pair.source(0).set(JAVA_LONG, 16, value);
        long before = value - 0x0101_0101_0101_0101L;
        pair.put(0, 1, 0, 8);
        pair.put(0, 1, 8, 8);
        pair.of(0).signal(1, FLAG, round);
        pair.put(0, 1, 16, 8);
        pair.of(0).signal(1, FLAG - 8, round);
        while (pair.load(1, FLAG - 8) != round) {
          pair.of(1).progress();
          long flag = pair.load(1, FLAG);
          long third = pair.load(1, 16);
          long second = pair.load(1, 8);
          long first = pair.load(1, 0);
          torn += first != value && first != before ? 1 : 0;
          reordered += second == value && first == before ? 1 : 0;
          ahead += third == value && flag != round && pair.load(1, FLAG) != round ? 1 : 0;
        }
        pair.await("nothing is pending", () -> pair.of(0).pending() == 0);
      }
    }
    assertThat(torn).as("torn, %s", seed()).isPositive();
    assertThat(reordered).as("reordered, %s", seed()).isPositive();
    if (puts == Puts.EMULATED) {
      assertThat(ahead).as("ahead of a signal, %s", seed()).isPositive();
    }
  }

  @Test
  void emulatedPutsLandOnlyWhileTheTargetMakesProgress() {
    try (WeatherPair pair = pair(Puts.EMULATED)) {
      pair.of(0).signal(1, FLAG, 1);
      long end = System.nanoTime() + 3 * Weather.forecast().mostDelay().toNanos();
      while (System.nanoTime() < end) {
        pair.of(0).progress();
        assertThat(pair.load(1, FLAG)).isZero();
      }
      pair.await("signal", () -> pair.load(1, FLAG) == 1);
    }
  }

  @Test
  void remotePutsLandWhateverTheTargetDoes() {
    try (WeatherPair pair = pair(Puts.REMOTE)) {
      pair.put(0, 1, 0, 64);
      pair.of(0).signal(1, FLAG, 1);
      long end = System.nanoTime() + 10_000_000_000L;
      while (pair.load(1, FLAG) == 0) {
        assertThat(System.nanoTime()).as(seed()).isLessThan(end);
        Thread.onSpinWait();
      }
    }
  }

  /// A rank that waits is woken by what comes, and by hand.
  @Test
  void awaitEndsWhenThereIsSomethingToDo() {
    try (WeatherPair pair = pair(Puts.EMULATED)) {
      long start = System.nanoTime();
      pair.of(1).wake();
      pair.of(1).await(20_000_000_000L);
      pair.of(0).signal(1, FLAG, 1);
      while (pair.load(1, FLAG) == 0) {
        pair.of(1).await(20_000_000_000L);
        pair.of(1).progress();
      }
      assertThat(System.nanoTime() - start).isLessThan(10_000_000_000L);
      while (pair.of(1).progress()) {
        Thread.onSpinWait();
      }
      long before = System.nanoTime();
      pair.of(1).await(5_000_000);
      assertThat(System.nanoTime() - before).isGreaterThanOrEqualTo(5_000_000);
    }
  }

  @Test
  void piecesLandSideBySide() {
    try (WeatherPair pair = pair(Puts.EMULATED)) {
      fill(pair.source(0), 0, 100, 1);
      Pieces pieces = new Pieces().add(pair.source(0), 50, 13);
      pieces.add(pair.source(0), 0, 0).add(pair.source(0), 7, 29).add(pair.source(0), 36, 3);
      pair.of(0).put(1, 1001, pieces);
      pieces.clear();
      pair.of(0).signal(1, FLAG, 1);
      pair.await("signal", () -> pair.load(1, FLAG) == 1);
      MemorySegment source = pair.source(0);
      MemorySegment region = pair.region(1);
      assertThat(MemorySegment.mismatch(region, 1001, 1014, source, 50, 63)).isEqualTo(-1);
      assertThat(MemorySegment.mismatch(region, 1014, 1046, source, 7, 39)).isEqualTo(-1);
      assertThat(region.get(JAVA_BYTE, 1000)).isZero();
      assertThat(region.get(JAVA_BYTE, 1046)).isZero();
      assertThat(pair.of(0).sentBytes()).isEqualTo(45 + 16 + 8 + 16);
      assertThat(Weather.sentBytes(Mode.NORMAL, 0)).isEqualTo(45 + 16 + 8 + 16);
    }
  }

  @Test
  void aChangeOfPendingBytesIsTold() {
    try (WeatherPair pair = pair(Puts.EMULATED)) {
      for (int round = 1; Weather.takeWrongs().isEmpty(); round++) {
        int now = round;
        assertThat(round).as(seed()).isLessThan(ROUNDS);
        fill(pair.source(0), 0, 64, round);
        pair.put(0, 1, 0, 64);
        fill(pair.source(0), 0, 64, round + 1);
        pair.of(0).signal(1, FLAG, round);
        pair.await("signal", () -> pair.load(1, FLAG) == now);
      }
      Weather.takeWrongs();
    }
  }

  @Test
  void callersThatBreakTheContractAreCaught() {
    try (WeatherPair pair = pair(Puts.EMULATED)) {
      WeatherTransport rank = pair.of(0);
      expect("signal is not aligned", () -> rank.signal(1, 4, 1));
      expect("out of bounds", () -> rank.signal(1, FLAG + 8L, 1));
      expect("out of bounds", () -> pair.of(0).put(1, FLAG + 1L, piece(pair, 8)));
      expect("out of bounds", () -> pair.of(0).put(1, -1, piece(pair, 8)));
      expect("not a peer", () -> rank.signal(0, 0, 1));
      expect("not a peer", () -> rank.failure(2));
      expect("connected twice", () -> rank.connect(1, pair.of(1).offer()));
    }
    WeatherPair closed = pair(Puts.EMULATED);
    closed.close();
    closed.of(0).close();
    expect("used after close", () -> closed.of(0).progress());
    expect("used after close", () -> closed.of(0).signal(1, 0, 1));
    expect("used after close", () -> closed.of(0).wake());
  }

  private static Pieces piece(WeatherPair pair, long bytes) {
    return new Pieces().add(pair.source(0), 0, bytes);
  }

  private static void expect(String rule, Runnable call) {
    assertThatThrownBy(call::run)
        .isInstanceOf(AssertionError.class)
        .hasMessageContaining("transport used wrongly: rule=" + rule);
    assertThat(Weather.takeWrongs()).hasSize(1);
  }

  @Test
  void aPutBeforeTheConnectionIsThereIsCaught() {
    try (WeatherPair pair = new WeatherPair(2)) {
      expect("put to a rank without a connection", () -> pair.put(0, 1, 0, 8));
      assertThat(pair.of(0).isConnected(1)).isFalse();
      pair.of(0).connect(1, pair.of(1).offer());
      expect("put before the connection is there", () -> pair.put(0, 1, 0, 8));
      pair.of(1).connect(0, pair.of(0).offer());
      pair.await("both", () -> pair.of(0).isConnected(1) && pair.of(1).isConnected(0));
      pair.put(0, 1, 0, 8);
    }
  }

  @Test
  void aForeignOfferIsRefused() {
    try (WeatherPair pair = new WeatherPair(2)) {
      assertThatThrownBy(() -> pair.of(0).connect(1, new byte[16]))
          .isInstanceOf(InvalidInputException.class)
          .hasMessageContaining("peer=1");
    }
  }

  /// One thread is inside while another comes.
  @Test
  void twoThreadsAtOnceAreCaught() throws Exception {
    try (WeatherPair pair = pair(Puts.EMULATED)) {
      boolean caught = false;
      Thread other =
          Thread.ofPlatform()
              .daemon()
              .start(() -> {
                try {
                  while (!Thread.interrupted()) {
                    pair.of(0).progress();
                  }
                } catch (AssertionError _) {
                  // The one of the two that came second.
                }
              });
      long end = System.nanoTime() + 10_000_000_000L;
      while (!caught && other.isAlive() && System.nanoTime() < end) {
        try {
          pair.of(0).pending();
        } catch (AssertionError _) {
          caught = true;
        }
      }
      other.interrupt();
      other.join();
      assertThat(Weather.takeWrongs()).isNotEmpty().allMatch(w -> w.contains("two threads"));
    }
  }

  @ParameterizedTest
  @EnumSource(Puts.class)
  void aCutIsToldToBothAndNothingComesThrough(Puts puts) {
    Weather.forecast(Weather.USUAL.withPuts(puts));
    try (WeatherPair pair = new WeatherPair(3).connected()) {
      Weather.hold(0, 1, true);
      pair.put(0, 1, 0, 64);
      pair.of(0).signal(1, FLAG, 1);
      Weather.cut(0, 1);
      assertThat(pair.of(0).failure(1)).isEqualTo("the line was cut");
      assertThat(pair.of(1).failure(0)).isEqualTo("the line was cut");
      assertThat(pair.of(0).failure(2)).isNull();
      Weather.hold(0, 1, false);
      pair.of(0).signal(1, FLAG, 2);
      pair.of(1).signal(0, FLAG, 2);
      pair.of(2).signal(1, FLAG - 8, 3);
      pair.await("signal of the third", () -> pair.load(1, FLAG - 8) == 3);
      pair.await("nothing is pending", () -> pair.of(0).pending() == 0);
      assertThat(pair.load(1, FLAG)).isZero();
      assertThat(pair.load(0, FLAG)).isZero();
      assertThat(pair.of(0).isConnected(1)).isFalse();
    }
  }

  @Test
  void whatIsHeldComesLater() {
    try (WeatherPair pair = pair(Puts.EMULATED)) {
      Weather.hold(0, 1, true);
      pair.put(0, 1, 0, 8);
      pair.of(0).signal(1, FLAG, 1);
      pair.of(1).signal(0, FLAG, 1);
      pair.await("signal of the other", () -> pair.load(0, FLAG) == 1);
      assertThat(pair.load(1, FLAG)).isZero();
      Weather.hold(0, 1, false);
      pair.await("signal", () -> pair.load(1, FLAG) == 1);
      assertThat(pair.of(0).failure(1)).isNull();
    }
  }

  @Test
  void whatWasForAPeerThatIsGivenUpIsNeededNoMore() {
    try (WeatherPair pair = pair(Puts.EMULATED)) {
      Weather.hold(0, 1, true);
      for (int i = 0; i < 20; i++) {
        pair.put(0, 1, 0, 100);
      }
      assertThat(pair.of(0).pending(1)).isPositive();
      pair.of(0).giveUp(1, "enough");
      pair.await("nothing is needed", () -> pair.of(0).pending(1) == 0);
      assertThat(pair.of(0).failure(1)).isEqualTo("enough");
    }
  }

  /// What was sent before a close still comes, and then the peer is told.
  @Test
  void aPeerThatClosesIsToldAfterItsLastSignal() throws Exception {
    try (WeatherPair pair = pair(Puts.EMULATED)) {
      for (int value = 1; value <= 10; value++) {
        pair.put(0, 1, 0, 100);
        pair.of(0).signal(1, FLAG, value);
      }
      Thread closing = Thread.ofPlatform().start(() -> pair.of(0).close());
      while (pair.of(1).failure(0) == null) {
        pair.of(1).progress();
      }
      closing.join();
      assertThat(pair.load(1, FLAG)).isEqualTo(10);
      assertThat(pair.of(1).failure(0)).isEqualTo("peer is closed");
      pair.of(1).signal(0, FLAG, 1);
      assertThat(pair.load(0, FLAG)).isZero();
    }
  }

  @Test
  void closingDoesNotWaitLongForAPeerThatTakesNothing() {
    try (WeatherPair pair = pair(Puts.EMULATED)) {
      pair.put(0, 1, 0, 100);
      pair.of(0).signal(1, FLAG, 1);
      long start = System.nanoTime();
      pair.of(0).close();
      assertThat(System.nanoTime() - start).isLessThan(10_000_000_000L);
      assertThat(pair.of(1).progress()).isFalse();
      assertThat(pair.of(1).failure(0)).isEqualTo("peer is closed");
      assertThat(pair.load(1, FLAG)).isZero();
    }
  }

  @Test
  void theTransportRunsOnlyWhenItIsAskedFor() {
    assertThat(TransportChoice.all()).anyMatch(t -> t.name().equals(WeatherProvider.NAME));
    assertThat(new WeatherProvider().probe().isAvailable()).isFalse();
    try {
      assertThat(TransportChoice.pick().name()).isNotEqualTo(WeatherProvider.NAME);
    } catch (EngineUnavailableException e) {
      assertThat(e).hasMessageContaining(WeatherProvider.NAME);
    }
    System.setProperty(TransportChoice.PROPERTY, WeatherProvider.NAME);
    try {
      assertThat(TransportChoice.pick().name()).isEqualTo(WeatherProvider.NAME);
    } finally {
      System.clearProperty(TransportChoice.PROPERTY);
    }
  }
}
