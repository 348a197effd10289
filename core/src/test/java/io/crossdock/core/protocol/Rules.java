package io.crossdock.core.protocol;

/// Where the model asks [ProtocolState] and [WindowSet], so that a broken variant can answer.
class Rules implements Fixed {
  int slot(long epoch) {
    return ProtocolState.slot(epoch);
  }

  /// What is awaited before the next epoch begins.
  int nextUnseenBefore(ProtocolState protocol) {
    return protocol.nextUnseen();
  }

  /// What is awaited in an epoch.
  int nextUnseen(ProtocolState protocol) {
    return protocol.nextUnseen();
  }

  Verdict verdict(ProtocolState protocol) {
    return protocol.verdict();
  }

  int nextUnfinished(ProtocolState protocol) {
    return protocol.nextUnfinished();
  }

  int acquireReceive(ProtocolState protocol) {
    return protocol.receive().acquire();
  }

  void endLease(WindowSet windows, int window, long ticket) {
    windows.endLease(window, ticket);
  }

  int acquireOutput(ProtocolState protocol) {
    return protocol.acquireOutput();
  }

  /// A combine from a handed-out window is admitted.
  boolean claimAtAdmission(WindowSet windows, int window) {
    return windows.claimLease(window);
  }

  /// A combine from a handed-out window starts.
  void claimAtStart(WindowSet windows, int window) {}

  void publishOutput(ProtocolState protocol, int window) {
    protocol.publishOutput(window);
  }

  void withdraw(ProtocolState protocol, WindowSet windows, int window) {
    protocol.withdraw(windows, window);
  }

  boolean pollsPeers() {
    return true;
  }

  boolean isGone(ProtocolState protocol, int peer) {
    return protocol.isGone(peer);
  }

  long restart(long highest) {
    return ProtocolState.restart(highest);
  }
}
