package io.crossdock.cuda;

/// Names the report of the call that runs. Reused.
///
/// Confined to the thread that runs the call.
final class Ticket {
  private long address;
  private long number;
  private boolean sticky;

  void set(long reportAddress, long reportNumber, boolean isSticky) {
    address = reportAddress;
    number = reportNumber;
    sticky = isSticky;
  }

  /// Where the kernel reports to.
  long address() {
    return address;
  }

  long number() {
    return number;
  }

  /// True for a call in a graph.
  boolean isSticky() {
    return sticky;
  }
}
