package io.crossdock.core;

import java.util.Optional;

/// What a low-latency combine brought home.
///
/// Safe for any thread, except the hook.
///
/// @param combinedX BF16 [tokens, H]
/// @param event complete when the sums are; with a hook, when the send half is
/// @param recvHook the receive half, if the call was asked for a hook
public record LowLatencyCombineResult(
    Tensor combinedX, EventOverlap event, Optional<RecvHook> recvHook) {}
