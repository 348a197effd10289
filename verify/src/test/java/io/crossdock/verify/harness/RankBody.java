package io.crossdock.verify.harness;

import io.crossdock.core.group.ProcessGroup;

/// What one rank of a test does. To run in a process of its own it is a public class with a public
/// constructor that takes the test's arguments as a `List<String>`.
@FunctionalInterface
public interface RankBody {
  /// Does the work of a rank; whatever it throws fails the test.
  ///
  /// @param group the ranks
  void run(ProcessGroup group) throws Exception;
}
