package io.crossdock.verify.faults;

import io.crossdock.core.group.GroupException;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.core.group.ProcessGroups;

/// A rank that must not find its group: ends well if joining fails with the exception whose simple
/// name is the first argument.
public final class JoinMain {
  private JoinMain() {}

  /// Joins.
  ///
  /// @param arguments name of the exception by rank
  public static void main(String... arguments) {
    String expected = arguments[Integer.parseInt(System.getenv("RANK"))];
    long start = System.nanoTime();
    try (ProcessGroup group = ProcessGroups.fromEnvironment()) {
      System.out.println("joined: " + group);
      System.exit(1);
    } catch (GroupException e) {
      System.out.println("waitedMs=" + (System.nanoTime() - start) / 1_000_000);
      e.printStackTrace(System.out);
      System.exit(e.getClass().getSimpleName().equals(expected) ? 0 : 1);
    }
  }
}
