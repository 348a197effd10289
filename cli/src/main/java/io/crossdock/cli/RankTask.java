package io.crossdock.cli;

import io.crossdock.core.group.ProcessGroup;
import java.nio.file.Path;

/// What one rank of a job does. A record of plain values, so that it travels as JSON.
///
/// Safe for any thread.
interface RankTask {
  /// Does the work of a rank.
  ///
  /// @param group the ranks
  /// @param folder where files may be left for the parent
  /// @return the rank's report, written as JSON
  Object run(ProcessGroup group, Path folder);
}
