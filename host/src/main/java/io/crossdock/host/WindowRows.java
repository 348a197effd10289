package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import io.crossdock.core.protocol.HandleData;

/// Rows where the experts left them: in the output windows of the peers.
///
/// Prepared on the thread that runs the call; read by its workers.
final class WindowRows implements RowSource {
  private final HostContext context;
  private final long rowBytes;
  private final long[] windows;
  private HandleData handle;

  WindowRows(HostContext context) {
    this.context = context;
    this.rowBytes = context.spec.hidden() * 2L;
    this.windows = new long[context.numRanks];
  }

  /// Takes in the windows that the peers published in this epoch.
  void prepare(HandleData data) {
    handle = data;
    for (int peer = 0; peer < context.numRanks; peer++) {
      windows[peer] = context.layout.output(context.protocol.entry(peer).window);
    }
  }

  @Override
  public void addRow(RowSet rows, int entry) {
    int peer = handle.plan.rank(entry);
    rows.add(context.pages[peer], windows[peer] + row(entry, peer) * rowBytes);
  }

  @Override
  public float weight(int entry, int k) {
    int peer = handle.plan.rank(entry);
    long at = windows[peer] + context.layout.outputWeights;
    return context.pages[peer].get(
        JAVA_FLOAT_UNALIGNED, at + (row(entry, peer) * handle.topk + k) * 4);
  }

  private long row(int entry, int peer) {
    return handle.base(context.rank, peer) + handle.plan.position(entry);
  }

  void clear() {
    handle = null;
  }
}
