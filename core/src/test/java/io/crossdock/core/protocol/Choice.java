package io.crossdock.core.protocol;

import java.util.List;

/// What a thread may do when it is its turn.
enum Choice {
  /// Its next step.
  STEP,
  /// While it waits: look at what the ranks say of themselves.
  POLL,
  /// While it waits, or its call is made to break: give up.
  GIVE_UP;

  static final List<Choice> ALL = List.of(values());

  /// {@return the choice of an actor as a number}
  int of(int actor) {
    return actor * ALL.size() + ALL.indexOf(this);
  }

  static int actor(int number) {
    return number / ALL.size();
  }

  static Choice choice(int number) {
    return ALL.get(number % ALL.size());
  }
}
