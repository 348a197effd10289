package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import io.crossdock.core.protocol.HandleData;
import io.crossdock.core.protocol.NodePlace;

/// Rows of this node where the experts left them: in the output windows of its ranks.
///
/// Prepared on the thread that runs the call; read by its workers.
final class NodeWindowRows implements NodeRows {
  private final HostContext context;
  private final NodePlace place;
  private final long rowBytes;
  private final long[] windows;
  private HandleData handle;

  NodeWindowRows(HostContext context) {
    this.context = context;
    this.place = context.place;
    this.rowBytes = context.spec.hidden() * 2L;
    this.windows = new long[place.numLocalRanks()];
  }

  /// Takes in the windows that the ranks published in this epoch.
  void prepare(HandleData data) {
    handle = data;
    for (int local = 0; local < windows.length; local++) {
      int window = context.protocol.entry(place.firstNear() + local).window;
      windows[local] = context.layout.output(window);
    }
  }

  @Override
  public void addRow(RowSet rows, Key row) {
    int owner = place.firstNear() + row.local;
    rows.add(context.pages[owner], windows[row.local] + windowRow(row, owner) * rowBytes);
  }

  @Override
  public float weight(Key row, int k) {
    int owner = place.firstNear() + row.local;
    long at = windows[row.local] + context.layout.outputWeights;
    return context.pages[owner].get(
        JAVA_FLOAT_UNALIGNED, at + (windowRow(row, owner) * handle.topk + k) * 4);
  }

  private long windowRow(Key row, int owner) {
    return handle.base(place.onRail(row.node), owner) + row.position;
  }

  void clear() {
    handle = null;
  }
}
