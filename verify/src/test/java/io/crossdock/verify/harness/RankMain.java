package io.crossdock.verify.harness;

import io.crossdock.core.group.ProcessGroup;
import io.crossdock.core.group.ProcessGroups;
import java.util.Arrays;
import java.util.List;

/// The program of a rank that is a process: body class, then the body's arguments.
public final class RankMain {
  private RankMain() {}

  /// Runs the body; exits with 1 and a stack trace if it throws.
  ///
  /// @param arguments class name of the body, then its arguments
  public static void main(String... arguments) throws Exception {
    List<String> rest = Arrays.asList(arguments).subList(1, arguments.length);
    RankBody body =
        Class.forName(arguments[0])
            .asSubclass(RankBody.class)
            .getConstructor(List.class)
            .newInstance(rest);
    try (ProcessGroup group = ProcessGroups.fromEnvironment()) {
      body.run(group);
    } catch (Exception | Error e) {
      e.printStackTrace(System.out);
      System.out.flush();
      Runtime.getRuntime().halt(1);
    }
  }
}
