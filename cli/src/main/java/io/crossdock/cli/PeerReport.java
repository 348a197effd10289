package io.crossdock.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.annotation.JsonNaming;
import java.util.List;

/// What one run of the peer reports: a line of JSON with exactly these fields, in snake case.
/// Durations are microseconds, the maximum over ranks.
///
/// Safe for any thread.
///
/// @param ranks of the job
/// @param tokens rows of a rank
/// @param hidden H
/// @param experts E
/// @param topk K
/// @param iterations timed
/// @param seed of rows and routing
/// @param rows sent, over all ranks
/// @param dispatchUsMedian median of dispatch
/// @param dispatchUsP99 its 99th percentile
/// @param combineUsMedian median of combine
/// @param combineUsP99 its 99th percentile
/// @param copyGbpsDispatch bytes per second, over all ranks, that `memcpy` of the sent bytes
///   reached
/// @param copyGbpsCombine the same for the bytes that came back
/// @param checked whether the peer found its results right
/// @param mpi the library and its version
@JsonNaming(PropertyNamingStrategies.SnakeCaseStrategy.class)
record PeerReport(
    int ranks,
    int tokens,
    int hidden,
    int experts,
    int topk,
    int iterations,
    long seed,
    long rows,
    double dispatchUsMedian,
    double dispatchUsP99,
    double combineUsMedian,
    double combineUsP99,
    double copyGbpsDispatch,
    double copyGbpsCombine,
    boolean checked,
    String mpi) {

  private static final ObjectReader READER =
      Json.mapper()
          .readerFor(PeerReport.class)
          .with(
              DeserializationFeature.FAIL_ON_MISSING_CREATOR_PROPERTIES,
              DeserializationFeature.FAIL_ON_NULL_CREATOR_PROPERTIES,
              DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES,
              DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

  /// Reads the report out of what a peer printed.
  ///
  /// @param output lines, of which exactly one is JSON
  /// @return the report
  /// @throws WorkerFailure if there is no such line or a field is missing
  /// @throws VerificationException if the peer's results were not right
  static PeerReport parse(String output) {
    List<String> lines = output.lines().filter(line -> line.startsWith("{")).toList();
    if (lines.size() != 1) {
      throw unreadable(output, lines.size() + " lines of JSON");
    }
    try {
      PeerReport report = READER.readValue(lines.getFirst());
      if (!report.checked()) {
        throw new VerificationException("peer did not check its results: output=" + output.strip());
      }
      return report;
    } catch (JsonProcessingException e) {
      throw unreadable(output, e.getOriginalMessage());
    }
  }

  private static WorkerFailure unreadable(String output, String cause) {
    return new WorkerFailure(
        "peer's report cannot be read: cause=" + cause + ", output=" + output.strip(),
        ExitCode.PEER_FAILED,
        WorkerFailure.Origin.OWN);
  }

  /// Fails unless this is a report of the job asked for.
  ///
  /// @param task what was asked
  /// @param numRanks how many ranks
  void checkJob(BenchTask task, int numRanks) {
    if (ranks != numRanks
        || tokens != task.tokens()
        || hidden != task.hidden()
        || experts != task.experts()
        || topk != task.topk()
        || iterations != task.iterations()) {
      throw new VerificationException("peer ran another job: report=" + this + ", asked=" + task);
    }
  }
}
