package io.crossdock.core.routing;

import io.crossdock.core.InvalidInputException;
import io.crossdock.core.LowLatencyFormat;
import java.util.Set;

/// What the low-latency calls of a reference have in common.
///
/// Safe for any thread.
///
/// @param topology ranks and experts
/// @param numMaxTokensPerRank the most tokens of a rank
/// @param format how rows arrive
/// @param absent masked ranks: they send nothing and nothing is sent to them
public record LowLatencySpec(
    Topology topology, int numMaxTokensPerRank, LowLatencyFormat format, Set<Integer> absent) {

  /// Copies the set.
  public LowLatencySpec {
    absent = Set.copyOf(absent);
  }

  /// {@return a specification with every rank present}
  ///
  /// @param topology ranks and experts
  /// @param numMaxTokensPerRank the most tokens of a rank
  /// @param format how rows arrive
  public static LowLatencySpec of(
      Topology topology, int numMaxTokensPerRank, LowLatencyFormat format) {
    return new LowLatencySpec(topology, numMaxTokensPerRank, format, Set.of());
  }

  /// {@return this specification with masked ranks}
  ///
  /// @param ranks all that are masked
  public LowLatencySpec withAbsent(Set<Integer> ranks) {
    return new LowLatencySpec(topology, numMaxTokensPerRank, format, ranks);
  }

  /// {@return whether a choice is a selection: a route, to a rank that is there}
  ///
  /// @param expert global id, or -1
  boolean isSelection(long expert) {
    if (expert >= topology.numExperts()) {
      throw new InvalidInputException(
          "expert id out of range: expert=" + expert + ", numExperts=" + topology.numExperts());
    }
    return expert >= 0 && !absent.contains(topology.rankOf(expert));
  }
}
