package io.crossdock.cuda.driver;

import java.util.concurrent.atomic.AtomicInteger;

/// The kinds of native things that Java owns, and how many of each live. What must be released by
/// somebody is counted from its making to its release, so that a test can tell a leak.
///
/// Safe for any thread.
public enum Owned {
  /// A GPU's primary context, retained.
  CONTEXT("context"),
  /// Loaded kernels.
  MODULE("module"),
  /// A pool of device memory.
  MEMORY_POOL("memory pool"),
  /// Memory taken from a pool.
  POOL_BLOCK("pool block"),
  /// Device memory.
  DEVICE_MEMORY("device memory"),
  /// Device memory of another process, mapped.
  PEER_MEMORY("memory of a peer"),
  /// Addresses of device memory that was created without any.
  ADDRESS_RANGE("address range"),
  /// Pinned host memory.
  PINNED_MEMORY("pinned memory"),
  /// A stream, or a wrapper of someone else's.
  STREAM("stream"),
  /// An event.
  EVENT("event"),
  /// A captured graph.
  GRAPH("graph"),
  /// A graph that can be launched.
  EXECUTABLE_GRAPH("executable graph");

  private final String text;

  @SuppressWarnings("ImmutableEnumChecker") // Counts, and decides nothing.
  private final AtomicInteger live = new AtomicInteger();

  Owned(String text) {
    this.text = text;
  }

  void made() {
    live.incrementAndGet();
  }

  void released() {
    live.decrementAndGet();
  }

  /// {@return how many live}
  public int live() {
    return live.get();
  }

  @Override
  public String toString() {
    return text;
  }
}
