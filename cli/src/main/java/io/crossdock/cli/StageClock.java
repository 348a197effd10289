package io.crossdock.cli;

import java.util.List;

/// Times stages that follow each other on one rank, from a start that all ranks share.
///
/// Confined to one thread.
interface StageClock extends AutoCloseable {
  /// Begins a run: the first stage starts now.
  void start();

  /// Ends a stage; the next one begins.
  ///
  /// @param name of the stage
  /// @param batch 0 or 1
  void end(String name, int batch);

  /// Waits until the run is over.
  ///
  /// @return its stages, in their order
  List<LowLatencyOverlapTask.Span> spans();

  @Override
  void close();
}
