package io.crossdock.cuda;

import io.crossdock.cuda.driver.Gpu;

/// Where a rank runs, as all ranks tell each other before they allocate windows.
///
/// Safe for any thread.
///
/// @param pid its process
/// @param ordinal its GPU, as its process counts
/// @param busId its GPU, alike in all processes
/// @param choice what windows it was told to have
/// @param noFabric why its windows cannot have fabric handles; empty if they can
record PeerPlace(long pid, int ordinal, String busId, WindowChoice choice, String noFabric) {
  private static final int NUM_FIELDS = 5;

  /// The place of a rank of this process.
  static PeerPlace of(CudaGpu gpu) {
    Gpu device = gpu.gpu();
    return new PeerPlace(
        ProcessHandle.current().pid(),
        device.ordinal(),
        device.pciBusId(),
        WindowChoice.chosen(),
        gpu.noFabric());
  }

  /// Reads what [#encode] wrote.
  static PeerPlace decode(String text) {
    String[] fields = text.split(" ", NUM_FIELDS);
    return new PeerPlace(
        Long.parseLong(fields[0]),
        Integer.parseInt(fields[1]),
        fields[2],
        WindowChoice.parse(fields[3]),
        fields[4]);
  }

  /// The fields in order; only the last may have spaces.
  String encode() {
    return pid + " " + ordinal + " " + busId + " " + choice + " " + noFabric;
  }

  boolean hasFabric() {
    return noFabric.isEmpty();
  }
}
