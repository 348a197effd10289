package io.crossdock.core.group;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import net.jqwik.api.constraints.StringLength;

/// What goes into a frame comes out of it, and bytes that are no payload are refused with an
/// IOException, whatever they are.
class PayloadsProperties {
  @Property(tries = 100)
  void resultsComeBack(@ForAll @Size(min = 1, max = 9) List<@IntRange(max = 800_000) Integer> sizes)
      throws IOException {
    byte[][] contributions = new byte[sizes.size()][];
    for (int rank = 0; rank < contributions.length; rank++) {
      contributions[rank] = new byte[sizes.get(rank)];
      Arrays.fill(contributions[rank], (byte) rank);
    }
    List<byte[]> back = new ArrayList<>();
    for (byte[] payload : Payloads.results(contributions)) {
      assertThat(payload.length).isLessThan(FrameChannel.MAX_PAYLOAD_BYTES);
      Payloads.split(payload, back);
    }
    assertThat(back.toArray(byte[][]::new)).isDeepEqualTo(contributions);
  }

  @Example
  void cutResultsAreRefused() {
    byte[] payload = Payloads.results(new byte[][] {{1, 2, 3}, {4}}).getFirst();
    for (int length = 1; length < payload.length; length++) {
      byte[] cut = Arrays.copyOf(payload, length);
      if (length != Integer.BYTES + 3) {
        assertThatThrownBy(() -> Payloads.split(cut, new ArrayList<>()))
            .as("length=%d", length)
            .isInstanceOf(IOException.class);
      }
    }
  }

  @Property
  void contributionComesBack(@ForAll byte[] bytes) throws IOException {
    var collect = new Payloads.Collect(GroupPhase.ALL_GATHER, Deadline.inMillis(5000), bytes);
    Payloads.Collect back = Payloads.collect(Payloads.collect(collect));
    assertThat(back.phase()).isEqualTo(GroupPhase.ALL_GATHER);
    assertThat(back.contribution()).isEqualTo(bytes);
    assertThat(back.bound().remainingNanos()).isBetween(1L, Duration.ofSeconds(5).toNanos());
  }

  @Property(tries = 200)
  void failureComesBack(
      @ForAll GroupFailure.Kind kind,
      @ForAll @Size(min = 1, max = 20) List<Integer> ranks,
      @ForAll @StringLength(max = 20_000) String text,
      @ForAll @StringLength(max = 2000) String reason)
      throws IOException {
    var failure = new GroupFailure(kind, ranks, text, reason);
    assertThat(GroupFailure.decode(failure.encode())).isEqualTo(failure);
    assertThat(failure.toException(5)).hasMessageEndingWith(", rank=5");
  }

  @Property
  void anythingElseIsAnIoException(@ForAll byte[] bytes) {
    for (Throwable thrown :
        List.of(
            thrownBy(() -> GroupFailure.decode(bytes)),
            thrownBy(() -> Payloads.collect(bytes)),
            thrownBy(() -> Payloads.split(bytes, new ArrayList<>())))) {
      assertThat(thrown).isInstanceOf(IOException.class);
    }
  }

  /// Something that reads bytes.
  private interface Reader {
    void read() throws IOException;
  }

  private static Throwable thrownBy(Reader reader) {
    Throwable thrown = catchThrowable(reader::read);
    return thrown == null ? new IOException("read well") : thrown;
  }
}
