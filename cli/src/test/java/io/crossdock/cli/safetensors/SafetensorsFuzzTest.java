package io.crossdock.cli.safetensors;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Whatever a file holds, opening it ends in tensors that can all be read within the file, or in a
/// [SafetensorsException] with facts. Repeat a failure with `-Dcrossdock.fuzz.seed=SEED`.
class SafetensorsFuzzTest {
  private static final String ALPHABET = "{}[]\":,.-+eE0123456789 \\unltrfU8BFI_\0\u00ff";
  private static final Pattern NUMBER = Pattern.compile("-?\\d+");
  private static final Pattern WORD = Pattern.compile("\"\\w+\"");
  private static final List<String> NUMBERS =
      List.of(
          "0",
          "1",
          "-1",
          "3.0",
          "1e2",
          "null",
          "2147483648",
          "4294967296",
          "4611686018427387904",
          "9223372036854775807",
          "9223372036854775808",
          "99999999999999999999999999",
          "[]",
          "\"7\"");
  private static final List<String> WORDS =
      List.of(
          "\"U8\"",
          "\"I64\"",
          "\"BF16\"",
          "\"x\"",
          "\"\"",
          "\"dtype\"",
          "\"shape\"",
          "\"data_offsets\"",
          "\"__metadata__\"",
          "\"\\ud800\"",
          "{}",
          "17");

  @TempDir private Path folder;
  private int opened;
  private int refused;

  @Test
  void shortRun() {
    run(10_000);
  }

  @Test
  @Tag("long")
  void longRun() {
    run(1_000_000);
  }

  private void run(int rounds) {
    long seed = Long.getLong("crossdock.fuzz.seed", System.nanoTime());
    SplittableRandom seeds = new SplittableRandom(seed);
    for (int round = 0; round < rounds; round++) {
      byte[] image = image(seeds.split());
      try {
        open(image);
      } catch (RuntimeException | Error e) {
        String text = new String(image, StandardCharsets.ISO_8859_1);
        throw new AssertionError("seed=" + seed + ", round=" + round + ", image=" + text, e);
      }
    }
    assertThat(opened).as("files opened, seed=%d", seed).isGreaterThan(rounds / 20);
    assertThat(refused).as("files refused, seed=%d", seed).isGreaterThan(rounds / 20);
  }

  private void open(byte[] image) {
    try (SafetensorsFile file = SafetensorsFile.open(FileImage.write(folder, image))) {
      opened++;
      for (TensorInfo info : file.tensors().values()) {
        MemorySegment bytes = file.bytes(info.name());
        assertThat(bytes.byteSize()).isEqualTo(TensorInfo.bytesFor(info.dtype(), info.shape()));
        assertThat(info.shape()).allMatch(size -> size >= 0);
        assertThat(bytes.toArray(JAVA_BYTE).length).isLessThanOrEqualTo(image.length);
      }
    } catch (SafetensorsException e) {
      refused++;
      assertThat(e).hasMessageContaining("file=").hasMessageMatching("(?s)[a-zA-Z0-9' -]+: .*");
    }
  }

  private static byte[] image(SplittableRandom random) {
    if (random.nextInt(20) == 0) {
      return noise(random);
    }
    String header = header(random, 1 + random.nextInt(4));
    int dataBytes = dataBytes(header);
    for (int n = random.nextInt(3); n > 0; n--) {
      header = mutateText(header, random);
    }
    byte[] image = FileImage.of(header.getBytes(StandardCharsets.UTF_8), new byte[dataBytes]);
    for (int n = random.nextInt(3); n > 0; n--) {
      image = mutateBytes(image, random);
    }
    return image;
  }

  private static byte[] noise(SplittableRandom random) {
    byte[] bytes = new byte[random.nextInt(64)];
    random.nextBytes(bytes);
    boolean plausible = random.nextBoolean();
    return plausible ? FileImage.of(bytes, new byte[random.nextInt(8)]) : bytes;
  }

  private static String header(SplittableRandom random, int numTensors) {
    List<String> fields = new ArrayList<>();
    fields.add("\"__metadata__\":{\"num_experts\":\"8\"}");
    long at = 0;
    for (int i = 0; i < numTensors; i++) {
      String dtype = List.of("U8", "BF16", "F32", "I64").get(random.nextInt(4));
      List<Long> shape = random.longs(random.nextInt(3), 0, 4).boxed().toList();
      long end = at + TensorInfo.bytesFor(dtype, shape);
      fields.add(
          "\"t%d\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%d,%d]}"
              .formatted(i, dtype, shape, at, end));
      at = end;
    }
    return "{" + String.join(",", fields) + "}";
  }

  private static int dataBytes(String header) {
    return Integer.parseInt(header.substring(header.lastIndexOf(',') + 1, header.lastIndexOf(']')));
  }

  private static String mutateText(String header, SplittableRandom random) {
    return switch (random.nextInt(5)) {
      case 0 -> replaceOne(NUMBER, NUMBERS, header, random);
      case 1 -> replaceOne(WORD, WORDS, header, random);
      case 2 -> header + " ".repeat(random.nextInt(20));
      case 3 -> {
        int at = random.nextInt(header.length() + 1);
        char inserted = ALPHABET.charAt(random.nextInt(ALPHABET.length()));
        yield header.substring(0, at) + inserted + header.substring(at);
      }
      default -> {
        int from = random.nextInt(header.length() + 1);
        int to = Math.min(header.length(), from + random.nextInt(12));
        String cut = header.substring(from, to);
        yield header.substring(0, from)
            + (random.nextBoolean() ? "" : cut + cut)
            + header.substring(to);
      }
    };
  }

  private static String replaceOne(
      Pattern what, List<String> by, String header, SplittableRandom random) {
    List<MatchResult> all = what.matcher(header).results().toList();
    if (all.isEmpty()) {
      return header;
    }
    MatchResult chosen = all.get(random.nextInt(all.size()));
    String text = by.get(random.nextInt(by.size()));
    return header.substring(0, chosen.start()) + text + header.substring(chosen.end());
  }

  private static byte[] mutateBytes(byte[] image, SplittableRandom random) {
    if (image.length == 0) {
      return image;
    }
    int at = random.nextInt(image.length);
    return switch (random.nextInt(4)) {
      case 0 -> Arrays.copyOf(image, at);
      case 1 -> Arrays.copyOf(image, image.length + 1 + random.nextInt(16));
      case 2 -> withOtherLength(image, random);
      default -> {
        image[at] ^= (byte) (1 << random.nextInt(8));
        yield image;
      }
    };
  }

  private static byte[] withOtherLength(byte[] image, SplittableRandom random) {
    long size = image.length;
    long[] lengths = {0, 1, -1, size, size - 8, size - 9, Long.MAX_VALUE, 1L << 32, size / 2};
    if (size >= FileImage.LENGTH_BYTES) {
      long chosen = lengths[random.nextInt(lengths.length)];
      ByteBuffer.wrap(image).order(ByteOrder.LITTLE_ENDIAN).putLong(0, chosen);
    }
    return image;
  }
}
