package io.crossdock.core;

import java.util.Objects;
import java.util.Optional;

/// Options that dispatch and combine share: ordering against other work.
///
/// Safe for any thread.
///
/// @param previousEvent what must be complete before the communication starts
/// @param completion when the call returns
/// @param allocationStream where outputs are allocated
public record CallOptions(
    Optional<EventOverlap> previousEvent,
    Completion completion,
    AllocationStream allocationStream) {

  /// Synchronous, after nothing.
  public static final CallOptions DEFAULT =
      new CallOptions(Optional.empty(), Completion.SYNCHRONOUS, AllocationStream.CALLER);

  /// Checks that the combination makes sense, and that nothing is null.
  public CallOptions {
    Objects.requireNonNull(previousEvent, "previousEvent");
    Objects.requireNonNull(completion, "completion");
    Objects.requireNonNull(allocationStream, "allocationStream");
    if (allocationStream == AllocationStream.COMM_STREAM
        && (previousEvent.isEmpty() || completion != Completion.ASYNC_FINISH)) {
      throw new InvalidInputException(
          "allocateOnCommStream needs previousEvent and asyncFinish: previousEvent="
              + previousEvent.isPresent()
              + ", completion="
              + completion);
    }
  }

  /// {@return these options with asyncFinish}
  public CallOptions async() {
    return new CallOptions(previousEvent, Completion.ASYNC_FINISH, allocationStream);
  }

  /// {@return these options, started after an event}
  ///
  /// @param event what to wait for
  public CallOptions after(EventOverlap event) {
    return new CallOptions(Optional.of(event), completion, allocationStream);
  }

  /// {@return these options with outputs allocated on the communication stream}
  public CallOptions allocateOnCommStream() {
    return new CallOptions(previousEvent, completion, AllocationStream.COMM_STREAM);
  }
}
