package io.crossdock.core.group;

import java.io.Serial;
import java.util.List;
import java.util.stream.IntStream;

/// Ranks did not arrive within the timeout: at the rendezvous, or in a collective that others had
/// already entered.
///
/// Safe for any thread.
public final class PeerMissingException extends GroupException {
  @Serial private static final long serialVersionUID = 1L;

  private final int[] missingRanks;

  /// Creates the exception.
  ///
  /// @param message what failed, then `key=value` facts
  /// @param missingRanks the ranks that did not arrive, ascending
  public PeerMissingException(String message, List<Integer> missingRanks) {
    super(message);
    this.missingRanks = missingRanks.stream().mapToInt(Integer::intValue).toArray();
  }

  /// The ranks that did not arrive.
  ///
  /// @return the ranks, ascending
  public List<Integer> missingRanks() {
    return IntStream.of(missingRanks).boxed().toList();
  }
}
