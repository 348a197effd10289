package io.crossdock.verify.network;

import io.crossdock.verify.harness.Thoroughness;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.provider.Arguments;

/// How often the stories of this package are told, and with which seeds.
///
/// `-Dcrossdock.repeat=N` tells each of them N times, `-Dcrossdock.seed=S` begins with seed S. The
/// short form of `./check` tells every other variant of a story, those that the seed says.
///
/// Safe for any thread.
final class Stories {
  private static final String TIMES = "crossdock.repeat";
  private static final int REPEAT = Integer.getInteger(TIMES, 1);
  private static final boolean ALL = Thoroughness.isLong() || System.getProperty(TIMES) != null;
  private static final long SEED = Long.getLong("crossdock.seed", System.nanoTime() >>> 10);

  private Stories() {}

  /// {@return seeds, one for each time}
  static LongStream seeds() {
    return LongStream.range(SEED, SEED + REPEAT);
  }

  /// {@return variants of a story with each seed, which is the last argument}
  ///
  /// @param variants arguments without a seed
  static Stream<Arguments> each(List<Arguments> variants) {
    return seeds()
        .boxed()
        .flatMap(seed ->
            IntStream.range(0, variants.size())
                .filter(i -> ALL || variants.size() == 1 || (i + seed) % 2 == 0)
                .mapToObj(i -> with(variants.get(i), seed)));
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
