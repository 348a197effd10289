package io.crossdock.core.protocol;

/// Set up before a run and never changed by it, so no part of the state that [StateCodec] saves.
interface Fixed {}
