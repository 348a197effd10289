package io.crossdock.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// Runs others on the network of a benchmark, in front of it and behind it.
///
/// Confined to one thread.
final class InternodePeers {
  private static final String UCX = "ucx";

  /// A usual row.
  private static final int PUT_BYTES = 14_336;

  private final Path folder;
  private final String transport;
  private final List<UcxPeer.Report> twins = new ArrayList<>();

  /// Null unless it was built.
  private UcxPeer twin;

  /// @param folder of the job
  /// @param transport that was asked for; null for the most preferred
  InternodePeers(Path folder, String transport) {
    this.folder = folder;
    this.transport = transport;
  }

  /// Builds the program in C and runs it in front of the benchmark.
  void build() {
    twin = UcxPeer.build(folder);
    twins.add(twin.run());
  }

  /// Runs the others behind the benchmark; `ucx_perftest` if it is installed and UCX was measured.
  NetworkPeers finish() {
    if (twin != null) {
      twins.add(twin.run());
    }
    boolean onUcx =
        NodeTransport.find(transport).filter(info -> info.name().equals(UCX)).isPresent();
    String path = System.getenv().getOrDefault("PATH", "");
    Optional<UcxPerftest.Report> perftest =
        onUcx
            ? UcxPerftest.find(path, folder).map(program -> program.run(PUT_BYTES))
            : Optional.empty();
    return new NetworkPeers(perftest, List.copyOf(twins));
  }
}
