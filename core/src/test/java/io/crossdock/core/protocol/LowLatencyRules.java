package io.crossdock.core.protocol;

/// Where the model asks for a rule of low-latency mode, so that a broken variant can answer.
class LowLatencyRules implements Fixed {
  /// {@return true if a sender waits for its receivers to have freed the slots}
  boolean awaitsGrants() {
    return true;
  }

  boolean completesBeforePacking() {
    return false;
  }

  boolean isFlagOf(long flag, long epoch) {
    return flag == epoch;
  }

  int lane(int source) {
    return source;
  }

  /// {@return the slot set of rows}
  long rowSet(long epoch) {
    return epoch;
  }

  boolean publishesRefusals() {
    return true;
  }

  boolean looksForMasks() {
    return true;
  }

  /// {@return true if a rank that waits itself is not given up}
  boolean sparesWhoWaits() {
    return true;
  }

  /// {@return the number a rank knocks with}
  long knock(long knock) {
    return knock;
  }

  /// {@return the knock that an acknowledgement is for}
  long acknowledged(long knock, long mine) {
    return knock;
  }

  /// {@return the generation after a handshake}
  long raised(long generation) {
    return generation;
  }
}
