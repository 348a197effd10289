package io.crossdock.core.spi;

import java.lang.foreign.MemorySegment;

/// An expert-output window that was handed out.
///
/// Safe for any thread.
///
/// @param window its index
/// @param ticket names the lease
/// @param rows memory of the rows
/// @param weights memory of the weights
public record OutputPlace(int window, long ticket, MemorySegment rows, MemorySegment weights) {}
