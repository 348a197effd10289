package io.crossdock.cuda.driver;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Consumer;

/// What nobody uses any more, kept for who asks next, since releasing it while a GPU works is
/// dangerous: docs/adr/0019.
///
/// Safe for any thread.
///
/// @param <K> things of equal kind replace each other
/// @param <V> the things
final class Spares<K, V> {
  private final Map<K, Deque<V>> kept = new HashMap<>();

  /// {@return a thing of this kind that nobody else has; null if there is none}
  synchronized V take(K kind) {
    Deque<V> alike = kept.get(kind);
    return alike == null ? null : alike.poll();
  }

  /// Keeps a thing that no work of a GPU uses any more.
  synchronized void keep(K kind, V thing) {
    kept.computeIfAbsent(kind, _ -> new ArrayDeque<>()).push(thing);
  }

  /// Ends all that is kept.
  synchronized void releaseAll(Consumer<V> release) {
    kept.values().forEach(alike -> alike.forEach(release));
    kept.clear();
  }
}
