package io.crossdock.core.protocol;

/// Something the [Explorer] can run: threads that take atomic steps, one at a time. Its state is
/// every field that the [StateCodec] reaches.
interface Model {
  /// Lists what may happen next into an array.
  ///
  /// @return how many there are
  int choices(int[] into);

  int maxChoices();

  void take(int choice);

  /// {@return true for what a random walk should do now and then only}
  default boolean isRare(int choice) {
    return false;
  }

  /// Checks a state in which nothing may happen any more.
  void checkEnd();

  /// {@return a choice, and who has it, in words}
  String describe(int choice);
}
