package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import io.crossdock.core.protocol.HandleData;
import io.crossdock.core.protocol.NodePlace;
import io.crossdock.core.protocol.NodeRoutes;
import io.crossdock.core.protocol.SendPlan;
import java.lang.foreign.MemorySegment;

/// Sums what the ranks of this node computed for a row of the rail, in ascending rank order from
/// +0.0, rounded once to BF16.
///
/// Confined to one worker.
final class NodePartials {
  private final NodePlace place;
  private final SumKernel kernel;
  private final RowSet rows;
  private final NodeRows.Key key = new NodeRows.Key();
  private final SumKernel.Work work;

  NodePartials(HostContext context, SumKernel kernel) {
    this.place = context.place;
    this.kernel = kernel;
    this.rows = new RowSet(place.numLocalRanks());
    this.work = new SumKernel.Work(context.spec.hidden());
  }

  SumKernel.Work work(int rowsPerPass) {
    work.rowsPerPass = rowsPerPass;
    return work;
  }

  /// Sums for a row of another node's stream.
  ///
  /// @param source where rows are read
  /// @param handle of the dispatch
  /// @param node where the stream begins
  /// @param index of the row
  /// @param out where the sum goes, and those of the weights
  void relayed(NodeRows source, HandleData handle, int node, int index, Target out) {
    NodeRoutes routes = handle.nodes;
    rows.clear();
    key.at(node, index);
    for (int local = 0; local < place.numLocalRanks(); local++) {
      int position = routes.relayPosition(node, index, local);
      if (position != NodeRoutes.NONE) {
        source.addRow(rows, key.of(local, position));
      }
    }
    kernel.sum(rows, out.memory, out.offset, work);
    for (int k = 0; out.weights >= 0 && k < handle.topk; k++) {
      float sum = 0.0f;
      for (int local = 0; local < place.numLocalRanks(); local++) {
        int position = routes.relayPosition(node, index, local);
        sum += position == NodeRoutes.NONE ? 0.0f : source.weight(key.of(local, position), k);
      }
      out.memory.set(JAVA_FLOAT_UNALIGNED, out.weights + k * 4L, sum);
    }
  }

  /// Sums for a token of this rank.
  ///
  /// @return false if no rank of this node has a row of it; then nothing is written
  boolean own(NodeRows source, HandleData handle, int token, Target out) {
    SendPlan plan = handle.plan;
    rows.clear();
    key.at(place.node(), token);
    for (int entry = plan.begin(token); entry < plan.end(token); entry++) {
      if (place.isNear(plan.rank(entry))) {
        source.addRow(rows, key.of(plan.rank(entry) - place.firstNear(), plan.position(entry)));
      }
    }
    if (rows.count == 0) {
      return false;
    }
    kernel.sum(rows, out.memory, out.offset, work);
    return true;
  }

  /// {@return the sum of weight k of a token of this rank over the ranks of this node}
  float ownWeight(NodeRows source, HandleData handle, int token, int k) {
    SendPlan plan = handle.plan;
    float sum = 0.0f;
    key.at(place.node(), token);
    for (int entry = plan.begin(token); entry < plan.end(token); entry++) {
      if (place.isNear(plan.rank(entry))) {
        key.of(plan.rank(entry) - place.firstNear(), plan.position(entry));
        sum += source.weight(key, k);
      }
    }
    return sum;
  }

  /// Where a sum goes. Reused.
  ///
  /// Confined to one worker.
  static final class Target {
    MemorySegment memory;
    long offset;

    /// Byte offset of the weights, or -1.
    long weights;

    Target at(MemorySegment segment, long rowOffset, long weightsOffset) {
      memory = segment;
      offset = rowOffset;
      weights = weightsOffset;
      return this;
    }
  }
}
