package io.crossdock.core.protocol;

import io.crossdock.core.BufferClosedException;
import io.crossdock.core.CapacityException;
import io.crossdock.core.CollectiveMismatchException;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.LeaseException;
import io.crossdock.core.RefusedException;

/// What calls fail with, in the same words on every engine.
///
/// Safe for any thread.
public final class Failures {
  private Failures() {}

  /// {@return another rank's call was invalid}
  ///
  /// @param culprit that rank
  /// @param reason its error message
  public static RefusedException refused(int culprit, String reason) {
    return new RefusedException(culprit, reason);
  }

  /// {@return the ranks made different calls}
  ///
  /// @param first entry of rank 0
  /// @param culprit rank whose entry differs
  /// @param other that entry
  public static CollectiveMismatchException mismatch(Entry first, int culprit, Entry other) {
    return new CollectiveMismatchException(
        "ranks made different calls: rank=0, peer="
            + culprit
            + ", difference="
            + first.mismatch(other));
  }

  /// {@return more rows would arrive than a rank has room for}
  ///
  /// @param culprit that rank
  /// @param rows that would arrive
  /// @param capacityRows of its window
  /// @param outputRows of its outputs; [Long#MAX_VALUE] when they are sized to fit
  public static CapacityException overCapacity(
      int culprit, long rows, long capacityRows, long outputRows) {
    return new CapacityException(
        "more rows would arrive than fit: rank="
            + culprit
            + ", rows="
            + rows
            + ", windowRows="
            + capacityRows
            + (outputRows == Long.MAX_VALUE ? "" : ", outputRows=" + outputRows)
            + ", remedy=larger capacityRows, owned placement or more numWorstTokens");
  }

  /// {@return the buffer was aborted before the call}
  ///
  /// @param origin rank that aborted
  /// @param reason its error message
  public static BufferClosedException unusable(int origin, String reason) {
    return new BufferClosedException(
        "buffer was aborted and not reset: origin=" + origin + ", reason=" + reason);
  }

  /// {@return a choice names no expert}
  ///
  /// @param token its row
  /// @param k its column
  /// @param expert the id
  /// @param numExperts E
  public static InvalidInputException expertOutOfRange(
      long token, long k, long expert, long numExperts) {
    return new InvalidInputException(
        "expert id is out of range: token="
            + token
            + ", k="
            + k
            + ", expert="
            + expert
            + ", numExperts="
            + numExperts);
  }

  /// {@return a token chose an expert twice}
  ///
  /// @param token its row
  /// @param expert the id
  public static InvalidInputException expertRepeated(long token, long expert) {
    return new InvalidInputException(
        "a token repeats an expert: token=" + token + ", expert=" + expert);
  }

  /// {@return a combine names an expert that the token was not sent to}
  ///
  /// @param token its row
  /// @param k its column
  /// @param expert the id
  public static InvalidInputException notDispatched(long token, long k, long expert) {
    return new InvalidInputException(
        "token was not dispatched to the expert: token="
            + token
            + ", k="
            + k
            + ", expert="
            + expert);
  }

  /// {@return the layout was made of other choices}
  ///
  /// @param rank a destination
  /// @param layoutTokens that go there by the layout
  /// @param tokens that go there by the choices
  public static InvalidInputException foreignLayout(long rank, long layoutTokens, long tokens) {
    return new InvalidInputException(
        "layout does not belong to topkIdx: rank="
            + rank
            + ", layoutTokens="
            + layoutTokens
            + ", tokens="
            + tokens);
  }

  /// {@return a borrowed result cannot have so many rows}
  ///
  /// @param numWorstTokens asked for
  /// @param windowRows of a receive window
  public static InvalidInputException worstExceedsWindow(long numWorstTokens, long windowRows) {
    return new InvalidInputException(
        "numWorstTokens does not fit the window: numWorstTokens="
            + numWorstTokens
            + ", windowRows="
            + windowRows
            + ", remedy=owned placement or larger capacityRows");
  }

  /// {@return expert outputs cannot lie in a window}
  ///
  /// @param rows of the outputs
  /// @param windowRows of an expert-output window
  public static CapacityException outputsExceedWindow(long rows, long windowRows) {
    return new CapacityException(
        "expert outputs do not fit one window: rows="
            + rows
            + ", windowRows="
            + windowRows
            + ", remedy=combine from other memory");
  }

  /// {@return no receive window is free}
  ///
  /// @param rank this rank
  /// @param windows its receive windows
  public static LeaseException noReceiveWindow(int rank, WindowSet windows) {
    return new LeaseException(
        "every receive window is held: rank="
            + rank
            + ", windows="
            + windows.describe()
            + ", remedy=close a result, or open the buffer with more windows");
  }

  /// {@return no expert-output window is free}
  ///
  /// @param rank this rank
  /// @param windows its expert-output windows
  public static LeaseException noOutputWindow(int rank, WindowSet windows) {
    return new LeaseException(
        "every expert-output window is handed out: rank="
            + rank
            + ", windows="
            + windows.describe()
            + ", remedy=combine or close a CombineBuffer");
  }

  /// {@return the outputs lie in a window of nobody}
  ///
  /// @param rank this rank
  /// @param window that they lie in
  /// @param windows its expert-output windows
  public static LeaseException outputNotHandedOut(int rank, int window, WindowSet windows) {
    return new LeaseException(
        "y lies in an expert-output window that is not handed out: rank="
            + rank
            + ", window="
            + window
            + ", windows="
            + windows.describe()
            + ", remedy=one combine for each CombineBuffer, before it is closed");
  }
}
