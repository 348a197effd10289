package io.crossdock.verify.network;

import java.util.List;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.provider.Arguments;

/// How often the stories of this package are told, and with which seeds.
///
/// `-Dcrossdock.repeat=N` tells each of them N times, `-Dcrossdock.seed=S` begins with seed S.
///
/// Safe for any thread.
final class Stories {
  private static final int REPEAT = Integer.getInteger("crossdock.repeat", 1);
  private static final long SEED = Long.getLong("crossdock.seed", System.nanoTime() >>> 10);

  private Stories() {}

  /// {@return seeds, one for each time}
  static LongStream seeds() {
    return LongStream.range(SEED, SEED + REPEAT);
  }

  /// {@return each story with each seed, which is the last argument}
  ///
  /// @param stories arguments without a seed
  static Stream<Arguments> each(List<Arguments> stories) {
    return seeds().boxed().flatMap(seed -> stories.stream().map(story -> with(story, seed)));
  }

  private static Arguments with(Arguments story, long seed) {
    return Arguments.of(Stream.concat(Stream.of(story.get()), Stream.of(seed)).toArray());
  }

  /// Says on the console which story begins, so that it can be told again.
  ///
  /// @param name of the story
  /// @param seed of this time
  static void begin(String name, long seed) {
    System.out.println("story: " + name + ", -Dcrossdock.seed=" + seed);
  }
}
