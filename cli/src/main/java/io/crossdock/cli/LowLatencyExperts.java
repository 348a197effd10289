package io.crossdock.cli;

import io.crossdock.core.EngineMemory;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.Tensor;
import io.crossdock.core.format.Bf16;

/// The experts of one rank in low-latency mode: y = bf16(s_e * row); combine applies the weights.
/// They compute on the host, wherever the engine keeps its rows.
///
/// Confined to one thread.
final class LowLatencyExperts {
  private final ReplayTask.Expert kind;
  private final EngineMemory memory;
  private final int firstExpert;
  private final int numExperts;
  private final float[] values;

  LowLatencyExperts(ReplayTask.Expert kind, EpBuffer buffer) {
    this.kind = kind;
    this.memory = buffer.memory();
    this.numExperts = buffer.spec().numExperts();
    this.firstExpert = buffer.group().rank() * (numExperts / buffer.group().size());
    this.values = new float[buffer.spec().hidden()];
  }

  /// Computes the outputs of all received rows.
  ///
  /// @param rows received
  /// @param y BF16 [E/R, maxTok * R, H]
  void run(LowLatencyRows rows, Tensor y) {
    Tensor out = memory.toHost(y);
    for (int expert = 0; expert < rows.numLocalExperts(); expert++) {
      float factor = ExpertLayer.expertScale(firstExpert + expert, numExperts);
      for (int row = 0; row < rows.count(expert); row++) {
        rows.read(expert, row, values);
        if (kind == ReplayTask.Expert.moe) {
          ExpertLayer.scale(values, factor);
        }
        Bf16.encodeRow(values, LowLatencyRows.row(out, expert, row));
      }
    }
    if (out != y) {
      memory.copy(out, y);
    }
  }
}
