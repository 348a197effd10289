package io.crossdock.cuda;

import io.crossdock.core.CrossdockException;
import java.util.ArrayDeque;
import java.util.Deque;

/// What a session owns, closed in reverse order, all of it whatever fails.
///
/// Confined to one thread at a time.
final class Resources implements AutoCloseable {
  private final Deque<AutoCloseable> owned = new ArrayDeque<>();

  <T extends AutoCloseable> T add(T resource) {
    owned.push(resource);
    return resource;
  }

  /// Gives up what is owned: nothing of it will be closed.
  void abandon() {
    owned.clear();
  }

  @Override
  public void close() {
    RuntimeException failure = null;
    while (!owned.isEmpty()) {
      try {
        owned.pop().close();
      } catch (Exception e) {
        RuntimeException known =
            e instanceof RuntimeException unchecked
                ? unchecked
                : new CrossdockException("close failed: cause=" + e, e);
        if (failure == null) {
          failure = known;
        } else {
          failure.addSuppressed(known);
        }
      }
    }
    if (failure != null) {
      throw failure;
    }
  }
}
