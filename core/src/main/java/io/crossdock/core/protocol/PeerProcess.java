package io.crossdock.core.protocol;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/// Tells whether the process of a peer still runs.
///
/// Safe for any thread.
public final class PeerProcess {
  /// Fields of `/proc/PID/stat` behind the name: `man 5 proc`.
  private static final int STATE = 0;

  private static final int NUM_THREADS = 17;

  private PeerProcess() {}

  /// {@return false once the process ended}
  ///
  /// A process that was killed keeps its number until its parent asks how it ended, and
  /// [ProcessHandle] calls it alive until then; it would be waited for in vain.
  ///
  /// @param pid its number on this machine
  public static boolean isAlive(long pid) {
    try {
      String stat = Files.readString(Path.of("/proc", Long.toString(pid), "stat"), ISO_8859_1);
      String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
      boolean ended = fields[STATE].equals("Z") || fields[STATE].equals("X");
      return !ended || Integer.parseInt(fields[NUM_THREADS]) > 1;
    } catch (IOException e) {
      return ProcessHandle.of(pid).map(ProcessHandle::isAlive).orElse(false);
    }
  }
}
