package io.crossdock.cli;

import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// How to start another process of this very program: same Java, same paths, same flags.
///
/// Safe for any thread.
final class JavaCommand {
  private JavaCommand() {}

  /// {@return the command line of this program with other arguments}
  ///
  /// @param arguments of the program
  static List<String> of(List<String> arguments) {
    return of(List.of(), arguments);
  }

  /// {@return the command line of this program with other arguments and more options of the JVM}
  ///
  /// @param options of the JVM; they win over those of this process
  /// @param arguments of the program
  static List<String> of(List<String> options, List<String> arguments) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    for (String flag : ManagementFactory.getRuntimeMXBean().getInputArguments()) {
      if (isKept(flag)) {
        command.add(flag);
      }
    }
    command.addAll(options);
    String module = System.getProperty("jdk.module.main");
    if (module == null || !module.startsWith("io.crossdock")) {
      command.addAll(List.of("-cp", System.getProperty("java.class.path"), Main.class.getName()));
    } else {
      String paths = System.getProperty("jdk.module.path");
      command.addAll(List.of("--module-path", paths, "-m", module + "/" + Main.class.getName()));
    }
    command.addAll(arguments);
    return command;
  }

  /// Debuggers and agents stay with the parent.
  private static boolean isKept(String flag) {
    return !flag.startsWith("--module-path")
        && !flag.startsWith("-Djdk.module.")
        && !flag.startsWith("-agent")
        && !flag.startsWith("-javaagent");
  }
}
