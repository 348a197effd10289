package io.crossdock.cli;

import java.util.List;

/// What one rank of several nodes sends to other nodes, and what the network alone takes for it.
///
/// Safe for any thread.
///
/// @param numNodes of the job
/// @param rows that count for a call: in normal mode pairs of a token and a node, the home node
///   too; in low-latency mode selections
/// @param farRows those of other nodes
/// @param dispatchBytes that a dispatch of this rank hands to the network
/// @param combineBytes that a combine of this rank hands to the network
/// @param probes of the network, spread over the run
/// @param wire bytes of several calls, counted twice
record NetworkReport(
    int numNodes,
    long rows,
    long farRows,
    long dispatchBytes,
    long combineBytes,
    List<Probe> probes,
    WireCheck wire) {

  /// What the network takes when nothing else is done; microseconds.
  ///
  /// Safe for any thread.
  ///
  /// @param dispatch until as many rows as those of a dispatch arrived here, median
  /// @param combine until as many rows as those of a combine arrived here, median
  /// @param signal half a round trip of 8 bytes with a signal behind them, median; 0 but on rank 0
  ///   and its partner
  /// @param signalTail 99th percentile of the same
  record Probe(double dispatch, double combine, double signal, double signalTail) {}

  /// Bytes of the same calls, as counted here and by the network interface.
  ///
  /// Safe for any thread.
  ///
  /// @param sent by this rank, as it counts
  /// @param onInterface by all ranks, as the loopback interface counts; 0 but on rank 0
  record WireCheck(long sent, long onInterface) {}
}
