package io.crossdock.core.routing;

/// What a layout must contain.
///
/// Safe for any thread while nobody changes the arrays.
///
/// @param tokensPerRank `[R]`
/// @param tokensPerNode `[nodes]`
/// @param tokensPerExpert `[E]`
/// @param tokenInRank [tokens, R]
public record ReferenceLayout(
    int[] tokensPerRank, int[] tokensPerNode, int[] tokensPerExpert, boolean[] tokenInRank) {}
