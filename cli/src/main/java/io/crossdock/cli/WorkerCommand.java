package io.crossdock.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/// One rank of a job that another process started. Dies with that process.
///
/// Confined to one thread.
@Command(name = "worker", hidden = true, description = "One rank of a job.")
final class WorkerCommand implements Callable<Integer> {
  @Parameters(index = "0", description = "Folder of the job.")
  private Path folder;

  @Override
  public Integer call() {
    Thread.ofPlatform().daemon().name("crossdock-parent-watch").start(WorkerCommand::watchParent);
    return Job.work(folder).code;
  }

  /// The parent keeps standard input open and writes nothing: its end is the parent's.
  private static void watchParent() {
    try {
      while (System.in.read() >= 0) {
        Thread.onSpinWait();
      }
    } catch (IOException e) {
      System.err.println("standard input failed: cause=" + e);
    }
    Runtime.getRuntime().halt(ExitCode.PEER_FAILED.code);
  }
}
