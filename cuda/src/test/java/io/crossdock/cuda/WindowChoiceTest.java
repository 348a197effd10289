package io.crossdock.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.core.InvalidInputException;
import io.crossdock.core.WindowAllocationException;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Which windows follow from what ranks told each other.
class WindowChoiceTest {
  private static final String REASON = "cuMemCreate: CUDA_ERROR_NOT_PERMITTED: no IMEX channel";

  @ParameterizedTest
  @EnumSource(WindowChoice.class)
  void choicesAreReadAsTheyAreWritten(WindowChoice choice) {
    assertThat(WindowChoice.parse(choice.toString())).isEqualTo(choice);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "IPC", "auto ", "posix"})
  void whatIsNoChoiceIsToldWithThoseThatAre(String text) {
    assertThatThrownBy(() -> WindowChoice.parse(text))
        .isInstanceOf(InvalidInputException.class)
        .hasMessage(
            "no such windows: crossdock.cuda.windows=" + text + ", known=[auto, fabric, ipc]");
  }

  @ParameterizedTest
  @EnumSource(WindowChoice.class)
  void threadsOfOneProcessNeedNoHandles(WindowChoice choice) {
    assertThat(WindowChoice.agree(List.of(place(1, choice, ""), place(1, choice, REASON))))
        .isEqualTo(WindowKind.POINTER);
    assertThat(WindowChoice.agree(List.of(place(1, choice, REASON)))).isEqualTo(WindowKind.POINTER);
  }

  /// Ranks 0 and 1 are threads of one process, rank 2 is another.
  @ParameterizedTest
  @CsvSource({
    "AUTO, true, true, FABRIC",
    "AUTO, false, true, IPC",
    "AUTO, true, false, IPC",
    "AUTO, false, false, IPC",
    "IPC, true, true, IPC",
    "IPC, false, false, IPC",
    "FABRIC, true, true, FABRIC"
  })
  void processesTakeTheBestThatAllHave(
      WindowChoice choice, boolean firstHas, boolean lastHas, WindowKind expected) {
    List<PeerPlace> places =
        List.of(
            place(1, choice, firstHas ? "" : REASON),
            place(1, choice, ""),
            place(2, choice, lastHas ? "" : REASON));
    assertThat(WindowChoice.agree(places)).isEqualTo(expected);
  }

  @Test
  void fabricThatARankCannotHaveIsAnErrorThatNamesIt() {
    List<PeerPlace> places =
        List.of(place(1, WindowChoice.FABRIC, ""), place(2, WindowChoice.FABRIC, REASON));
    assertThatThrownBy(() -> WindowChoice.agree(places))
        .isInstanceOf(WindowAllocationException.class)
        .hasMessage(
            "windows cannot have fabric handles: crossdock.cuda.windows=fabric, rank=1,"
                + " gpu=0000:1b:00.0, reason="
                + REASON
                + ", remedy=-Dcrossdock.cuda.windows=auto");
  }

  @Test
  void ranksMustChooseAlike() {
    List<PeerPlace> places =
        List.of(
            place(1, WindowChoice.AUTO, ""),
            place(2, WindowChoice.AUTO, ""),
            place(3, WindowChoice.IPC, ""));
    assertThatThrownBy(() -> WindowChoice.agree(places))
        .isInstanceOf(WindowAllocationException.class)
        .hasMessage(
            "ranks want different windows: rank=0, crossdock.cuda.windows=auto, peer=2,"
                + " peerChoice=ipc");
  }

  @ParameterizedTest
  @ValueSource(strings = {"", REASON})
  void placesArriveAsTheyWereSent(String reason) {
    PeerPlace place = new PeerPlace(4711, 3, "0000:1b:00.0", WindowChoice.AUTO, reason);
    assertThat(PeerPlace.decode(place.encode())).isEqualTo(place);
    assertThat(place.hasFabric()).isEqualTo(reason.isEmpty());
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "00ff7f80"})
  void offersArriveAsTheyWereSent(String handle) {
    WindowOffer offer = new WindowOffer(0x7f00_0000_0000L, 2L << 20, handle);
    assertThat(WindowOffer.decode(offer.encode())).isEqualTo(offer);
    assertThat(offer.handleBytes()).hasSize(handle.length() / 2);
  }

  private static PeerPlace place(long pid, WindowChoice choice, String noFabric) {
    return new PeerPlace(pid, 0, "0000:1b:00.0", choice, noFabric);
  }
}
