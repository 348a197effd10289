package io.crossdock.cuda;

import io.crossdock.core.InvalidInputException;
import io.crossdock.core.WindowAllocationException;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/// What windows a user wants where ranks are processes: `-Dcrossdock.cuda.windows`, alike on all
/// ranks. Threads of one process need no handles, whatever is chosen.
///
/// Safe for any thread.
enum WindowChoice {
  /// Fabric handles if every rank's GPU can have them, else CUDA IPC.
  AUTO,
  /// Fabric handles, or an exception.
  FABRIC,
  /// CUDA IPC.
  IPC;

  static final String PROPERTY = "crossdock.cuda.windows";

  /// What this process was told.
  ///
  /// @throws InvalidInputException if it is no choice
  static WindowChoice chosen() {
    return parse(System.getProperty(PROPERTY, AUTO.toString()));
  }

  static WindowChoice parse(String text) {
    for (WindowChoice choice : values()) {
      if (choice.toString().equals(text)) {
        return choice;
      }
    }
    throw new InvalidInputException(
        "no such windows: " + PROPERTY + "=" + text + ", known=" + Arrays.toString(values()));
  }

  /// Decides from what all ranks told each other, so all decide alike.
  ///
  /// @param places of all ranks
  /// @throws WindowAllocationException if ranks want different windows, or fabric handles that a
  ///   rank cannot have
  static WindowKind agree(List<PeerPlace> places) {
    PeerPlace first = places.getFirst();
    for (int rank = 1; rank < places.size(); rank++) {
      if (places.get(rank).choice() != first.choice()) {
        throw new WindowAllocationException(
            "ranks want different windows: rank=0, "
                + PROPERTY
                + "="
                + first.choice()
                + ", peer="
                + rank
                + ", peerChoice="
                + places.get(rank).choice());
      }
    }
    if (places.stream().allMatch(place -> place.pid() == first.pid())) {
      return WindowKind.POINTER;
    }
    return switch (first.choice()) {
      case IPC -> WindowKind.IPC;
      case AUTO ->
          places.stream().allMatch(PeerPlace::hasFabric) ? WindowKind.FABRIC : WindowKind.IPC;
      case FABRIC -> demanded(places);
    };
  }

  private static WindowKind demanded(List<PeerPlace> places) {
    for (int rank = 0; rank < places.size(); rank++) {
      PeerPlace place = places.get(rank);
      if (!place.hasFabric()) {
        throw new WindowAllocationException(
            "windows cannot have fabric handles: "
                + PROPERTY
                + "="
                + FABRIC
                + ", rank="
                + rank
                + ", gpu="
                + place.busId()
                + ", reason="
                + place.noFabric()
                + ", remedy=-D"
                + PROPERTY
                + "="
                + AUTO);
      }
    }
    return WindowKind.FABRIC;
  }

  /// As users write it.
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
