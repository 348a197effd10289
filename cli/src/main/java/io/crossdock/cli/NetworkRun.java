package io.crossdock.cli;

import io.crossdock.core.EpBuffer;
import io.crossdock.core.NetworkCosts;
import io.crossdock.core.NetworkLoad;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;

/// Measures the network of a buffer beside its calls: the same transport, the same rows for each
/// rail, the same pieces, in the same run. Probes take turns with the calls, so that noise hits
/// them alike.
///
/// Confined to the thread that uses the buffer; every rank makes the same calls.
final class NetworkRun {
  /// Probes that a run is interrupted for.
  private static final int PROBES = 5;

  private static final int ROUNDS = 10;
  private static final int COUNTED_CALLS = 20;

  private final EpBuffer buffer;
  private final Loads loads;
  private final int iterations;
  private final List<NetworkReport.Probe> probes = new ArrayList<>();

  /// What a rank sends to all other nodes.
  ///
  /// Safe for any thread.
  ///
  /// @param rows that count, those of this node too
  /// @param farRows those of other nodes
  /// @param dispatchRowBytes of each in a dispatch
  /// @param combineRowBytes of each in a combine
  /// @param chunkRows that cross at a time
  record Loads(
      long rows, long farRows, long dispatchRowBytes, long combineRowBytes, int chunkRows) {}

  /// Bytes that the calls of a rank hand to the network.
  ///
  /// Safe for any thread.
  ///
  /// @param dispatch of a dispatch
  /// @param combine of a combine
  record Sent(long dispatch, long combine) {}

  /// @param buffer of several nodes
  /// @param loads of a call
  /// @param iterations of the run
  NetworkRun(EpBuffer buffer, Loads loads, int iterations) {
    this.buffer = buffer;
    this.loads = loads;
    this.iterations = iterations;
  }

  /// {@return the nodes of a buffer}
  static int numNodes(EpBuffer buffer) {
    return buffer.group().size() / buffer.group().localSize();
  }

  /// Probes the network if it is time to.
  ///
  /// @param iteration that follows
  void before(int iteration) {
    int every = Math.max(1, iterations / PROBES);
    if (iteration % every == 0) {
      probes.add(probe());
    }
  }

  private NetworkReport.Probe probe() {
    NetworkCosts dispatch = NetworkCosts.measure(buffer, load(loads.dispatchRowBytes));
    NetworkCosts combine =
        loads.combineRowBytes == loads.dispatchRowBytes
            ? dispatch
            : NetworkCosts.measure(buffer, load(loads.combineRowBytes));
    return new NetworkReport.Probe(
        dispatch.roundNanos() / 1e3,
        combine.roundNanos() / 1e3,
        dispatch.signalNanos() / 1e3,
        dispatch.signalTailNanos() / 1e3);
  }

  private NetworkLoad load(long rowBytes) {
    long rows = Math.ceilDiv(loads.farRows, numNodes(buffer) - 1);
    return new NetworkLoad(Math.toIntExact(Math.max(1, rows)), rowBytes, loads.chunkRows, ROUNDS);
  }

  /// Counts the bytes of calls on either side, while nothing else is sent, and reports.
  ///
  /// @param call a dispatch and its combine
  /// @return what this rank reports
  NetworkReport count(Supplier<Sent> call) {
    boolean looks = buffer.group().rank() == 0;
    buffer.group().barrier();
    long before = looks ? SystemFacts.loopbackBytes() : 0;
    buffer.group().barrier();
    long sent = 0;
    Sent last = new Sent(0, 0);
    for (int i = 0; i < COUNTED_CALLS; i++) {
      last = call.get();
      sent += last.dispatch + last.combine;
    }
    buffer.group().barrier();
    long after = looks ? SystemFacts.loopbackBytes() : 0;
    buffer.group().barrier();
    return new NetworkReport(
        numNodes(buffer),
        loads.rows,
        loads.farRows,
        last.dispatch,
        last.combine,
        List.copyOf(probes),
        new NetworkReport.WireCheck(sent, after - before));
  }
}
