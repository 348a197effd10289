package io.crossdock.cli;

import io.crossdock.core.CrossdockException;
import io.crossdock.core.RefusedException;
import io.crossdock.core.group.GroupOptions;
import io.crossdock.core.group.InProcessGroup;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.core.group.ProcessGroups;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;

/// Runs one [RankTask] on every rank, as threads or processes, in a folder where ranks leave what
/// they produce.
///
/// Confined to one thread.
final class Job implements AutoCloseable {
  private static final String TASK_FILE = "task.json";
  private static final String TRANSPORT_PROPERTY = "crossdock.transport";

  private final Path folder;
  private List<Long> pids = List.of();

  /// Makes the folder.
  Job() {
    try {
      folder = Files.createTempDirectory("crossdock-job-");
    } catch (IOException e) {
      throw new CrossdockException("no folder for the job: cause=" + e, e);
    }
  }

  /// {@return where ranks leave what they produce}
  Path folder() {
    return folder;
  }

  /// {@return process ids by rank; the same id for every rank that is a thread}
  List<Long> pids() {
    return pids;
  }

  /// Runs the task and returns what each rank reported.
  ///
  /// @param task what a rank does
  /// @param shape how many ranks, and where they run
  /// @param type of a rank's report
  /// @return reports by rank
  <T> List<T> run(RankTask task, JobShape shape, Class<T> type) {
    if (shape.launch() == LaunchMode.threads) {
      runThreads(task, shape);
    } else {
      runProcesses(task, shape);
    }
    List<T> reports = new ArrayList<>();
    for (int rank = 0; rank < shape.ranks(); rank++) {
      reports.add(Json.read(reportFile(folder, rank), type));
    }
    return reports;
  }

  private void runProcesses(RankTask task, JobShape shape) {
    Json.write(
        folder.resolve(TASK_FILE), new TaskEnvelope(task.getClass().getName(), Json.tree(task)));
    List<String> options =
        shape.transport() == null
            ? List.of()
            : List.of("-D" + TRANSPORT_PROPERTY + "=" + shape.transport());
    List<String> command = JavaCommand.of(options, List.of("worker", folder.toString()));
    try (LocalRanks ranks = new LocalRanks()) {
      ranks.start(shape.ranks(), shape.nodes(), command, System.err);
      pids = ranks.pids();
      List<Integer> codes = ranks.await(shape.timeout());
      List<WorkerFailure> failures = new ArrayList<>();
      for (int rank = 0; rank < shape.ranks(); rank++) {
        if (codes.get(rank) != 0) {
          failures.add(failureOf(rank, codes.get(rank)));
        }
      }
      throwFirst(failures);
    }
  }

  private WorkerFailure failureOf(int rank, int code) {
    Path file = errorFile(folder, rank);
    if (Files.exists(file)) {
      RankError error = Json.read(file, RankError.class);
      return new WorkerFailure(
          "rank " + rank + ": " + error.message(),
          ExitCode.ofCode(error.exitCode()),
          error.origin());
    }
    return new WorkerFailure(
        "rank " + rank + " died: rank=" + rank + ", exitCode=" + code,
        ExitCode.PEER_FAILED,
        WorkerFailure.Origin.OWN);
  }

  /// The rank that failed of itself is told, not those that only heard of it.
  private static void throwFirst(List<WorkerFailure> failures) {
    failures.stream()
        .min(Comparator.comparing(WorkerFailure::origin))
        .ifPresent(first -> {
          throw first;
        });
  }

  private void runThreads(RankTask task, JobShape shape) {
    int numRanks = shape.ranks();
    pids = Collections.nCopies(numRanks, ProcessHandle.current().pid());
    GroupOptions options =
        GroupOptions.defaults().withTimeout(shape.timeout()).withNumNodes(shape.nodes());
    List<ProcessGroup> groups = InProcessGroup.create(numRanks, options);
    try (NamedTransport _ = new NamedTransport(shape.transport());
        ExecutorService threads =
            Executors.newFixedThreadPool(
                numRanks, Thread.ofPlatform().name("rank-", 0).factory())) {
      List<Future<?>> ranks = new ArrayList<>();
      for (ProcessGroup group : groups) {
        ranks.add(threads.submit(() -> runRank(task, group, folder)));
      }
      List<WorkerFailure> failures = new ArrayList<>();
      for (int rank = 0; rank < numRanks; rank++) {
        join(rank, ranks.get(rank), failures);
      }
      throwFirst(failures);
    }
  }

  private static void join(int rank, Future<?> future, List<WorkerFailure> failures) {
    try {
      future.get();
    } catch (ExecutionException e) {
      Throwable cause = e.getCause();
      failures.add(
          new WorkerFailure(
              "rank " + rank + ": " + message(cause), ExitCode.of(cause), originOf(cause)));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new CrossdockException("interrupted while ranks run: rank=" + rank, e);
    }
  }

  /// The body of a rank's process: does the task of a job's folder and leaves a report or an error
  /// there.
  ///
  /// @param folder of the job
  /// @return exit code
  static ExitCode work(Path folder) {
    int rank = -1;
    try (ProcessGroup group = ProcessGroups.fromEnvironment()) {
      rank = group.rank();
      runRank(Json.read(folder.resolve(TASK_FILE), TaskEnvelope.class).open(), group, folder);
      return ExitCode.DONE;
    } catch (RuntimeException | Error e) {
      int named = rank >= 0 ? rank : Integer.parseInt(System.getenv().getOrDefault("RANK", "0"));
      ExitCode code = ExitCode.of(e);
      Json.write(errorFile(folder, named), new RankError(code.code, message(e), originOf(e)));
      return code;
    }
  }

  private static void runRank(RankTask task, ProcessGroup group, Path folder) {
    try {
      Json.write(reportFile(folder, group.rank()), task.run(group, folder));
    } catch (RuntimeException | Error e) {
      if (!(e instanceof RefusedException)) {
        group.abort(message(e));
      }
      throw e;
    }
  }

  private static WorkerFailure.Origin originOf(Throwable failure) {
    boolean heard =
        failure instanceof CrossdockException
            && (failure instanceof RefusedException
                || ExitCode.of(failure) == ExitCode.PEER_FAILED);
    return heard ? WorkerFailure.Origin.HEARD : WorkerFailure.Origin.OWN;
  }

  static String message(Throwable failure) {
    return failure instanceof CrossdockException && failure.getMessage() != null
        ? failure.getMessage()
        : failure.toString();
  }

  private static Path reportFile(Path folder, int rank) {
    return folder.resolve("rank" + rank + ".json");
  }

  private static Path errorFile(Path folder, int rank) {
    return folder.resolve("rank" + rank + ".error.json");
  }

  /// Removes the folder.
  @Override
  public void close() {
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    } catch (IOException e) {
      throw new CrossdockException("job folder could not be removed: folder=" + folder, e);
    }
  }

  /// The property that names a transport, for as long as threads of this process are ranks.
  ///
  /// Confined to one thread.
  private static final class NamedTransport implements AutoCloseable {
    private final boolean isSet;
    private final String before;

    NamedTransport(String name) {
      isSet = name != null;
      before = isSet ? System.setProperty(TRANSPORT_PROPERTY, name) : null;
    }

    @Override
    public void close() {
      if (isSet && before == null) {
        System.clearProperty(TRANSPORT_PROPERTY);
      } else if (isSet) {
        System.setProperty(TRANSPORT_PROPERTY, before);
      }
    }
  }

  /// What a failed rank leaves behind.
  ///
  /// Safe for any thread.
  ///
  /// @param exitCode see [ExitCode]
  /// @param message what failed
  /// @param origin whether it failed of itself
  record RankError(int exitCode, String message, WorkerFailure.Origin origin) {}
}
