package io.crossdock.ucx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.core.Mode;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

/// Offers of every length and of every content, but never a surprise.
///
/// Confined to the thread of the test.
final class OfferTest {
  private static final Offer OFFER =
      new Offer(
          Mode.NORMAL,
          PutsKind.RMA,
          1,
          0x7f00_0000_1000L,
          1L << 33,
          130_000,
          new byte[] {1, 2, 3, 4, 5},
          new byte[] {6, 7},
          new long[] {-1, 0, Long.MAX_VALUE});

  @Test
  void comesBackAsItWas() {
    assertThat(Offer.decode(OFFER.encode())).usingRecursiveComparison().isEqualTo(OFFER);
  }

  @Test
  void everyCutIsRefused() {
    byte[] whole = OFFER.encode();
    for (int length = 0; length < whole.length; length++) {
      byte[] cut = Arrays.copyOf(whole, length);
      assertThatThrownBy(() -> Offer.decode(cut))
          .as("length=%s", length)
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("offer");
    }
    byte[] longer = Arrays.copyOf(whole, whole.length + 1);
    assertThatThrownBy(() -> Offer.decode(longer)).hasMessageContaining("broken");
  }

  @Test
  void foreignBytesAreRefused() {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    for (int round = 0; round < 2_000; round++) {
      byte[] bytes = new byte[random.nextInt(200)];
      random.nextBytes(bytes);
      assertThatThrownBy(() -> Offer.decode(bytes))
          .as("seed=%s", seed)
          .isInstanceOf(IllegalArgumentException.class);
    }
  }

  @Test
  void anotherVersionIsNamed() {
    byte[] bytes = OFFER.encode();
    bytes[5]++;
    assertThatThrownBy(() -> Offer.decode(bytes)).hasMessageContaining("version=3, expected=2");
  }

  @Test
  void changedBytesAreReadOrRefused() {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    int numRefused = 0;
    for (int round = 0; round < 5_000; round++) {
      byte[] bytes = OFFER.encode();
      for (int change = random.nextInt(3); change >= 0; change--) {
        bytes[random.nextInt(bytes.length)] = (byte) random.nextInt();
      }
      try {
        assertThat(Offer.decode(bytes).encode()).as("seed=%s", seed).isEqualTo(bytes);
      } catch (IllegalArgumentException e) {
        numRefused++;
      }
    }
    assertThat(numRefused).as("seed=%s", seed).isPositive();
  }
}
