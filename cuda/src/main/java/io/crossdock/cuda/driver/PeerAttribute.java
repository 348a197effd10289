package io.crossdock.cuda.driver;

/// What can be asked of the way from one GPU to another, with the numbers of
/// `CUdevice_P2PAttribute`.
///
/// Safe for any thread.
public enum PeerAttribute {
  /// Rank of the way among all of the machine; 0 is the fastest.
  PERFORMANCE_RANK(1),
  /// 1 if atomics work across, as they do over NVLink.
  NATIVE_ATOMIC_SUPPORTED(3);

  private final int code;

  PeerAttribute(int code) {
    this.code = code;
  }

  int code() {
    return code;
  }
}
