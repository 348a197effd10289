package io.crossdock.core;

/// Where bytes travel.
///
/// Safe for any thread.
public enum Domain {
  /// Inside a node: NVLink, CUDA peer-to-peer, shared memory.
  SCALE_UP,
  /// Between nodes: RDMA or another network through a transport.
  SCALE_OUT
}
