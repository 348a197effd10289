package io.crossdock.core.spi;

import io.crossdock.core.Mode;
import java.time.Duration;

/// What one rank opens a transport for.
///
/// Safe for any thread.
///
/// @param mode whose traffic it carries: each mode has a transport of its own, with routing
///   settings of its own
/// @param rank this rank
/// @param numRanks R
/// @param numQpsPerRank queue pairs to each peer, for networks that have them
/// @param isOnOneMachine whether all ranks are on this machine, so that no other needs to reach it
/// @param timeout bound of every wait
public record TransportSettings(
    Mode mode,
    int rank,
    int numRanks,
    int numQpsPerRank,
    boolean isOnOneMachine,
    Duration timeout) {}
