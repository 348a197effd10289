package io.crossdock.cli.safetensors;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class SafetensorsWriterTest {
  private static final List<String> DTYPES =
      List.of("U8", "F8_E4M3", "BF16", "F16", "I32", "F32", "I64", "F64");

  @TempDir private Path folder;

  @Test
  void theHeaderIsPaddedSoThatTheDataStartsAtAMultipleOfEight() throws IOException {
    for (int length = 1; length <= 8; length++) {
      Path path = folder.resolve("padded");
      new SafetensorsWriter().add("x".repeat(length), "U8", List.of(1L), bytes(5)).write(path);
      ByteBuffer image = ByteBuffer.wrap(Files.readAllBytes(path)).order(ByteOrder.LITTLE_ENDIAN);
      assertThat(image.getLong(0) % 8).isZero();
      assertThat(image.capacity()).isEqualTo(8 + image.getLong(0) + 1);
      assertThat(image.get(image.capacity() - 1)).isEqualTo((byte) 5);
      String header = new String(image.array(), 8, (int) image.getLong(0), StandardCharsets.UTF_8);
      assertThat(header).startsWith("{").matches("\\{.*} *");
    }
  }

  @Test
  void anEmptyFileImageIsWritten() {
    Path path = folder.resolve("empty");
    new SafetensorsWriter().write(path);
    try (SafetensorsFile file = SafetensorsFile.open(path)) {
      assertThat(file.tensors()).isEmpty();
    }
  }

  @Test
  void metadataKeepsEveryCharacter() {
    String odd = "quote \" slash \\ line \n tab \t zero \0 umlaut ä euro € clef \uD834\uDD1E";
    Path path = folder.resolve("metadata");
    new SafetensorsWriter().metadata("k" + odd, odd).metadata("empty", "").write(path);
    try (SafetensorsFile file = SafetensorsFile.open(path)) {
      assertThat(file.metadata()).containsEntry("k" + odd, odd).containsEntry("empty", "");
    }
  }

  @Property(tries = 200)
  void whatIsWrittenIsRead(@ForAll @Size(max = 5) List<String> texts, @ForAll long seed)
      throws IOException {
    SplittableRandom random = new SplittableRandom(seed);
    Set<String> names = new LinkedHashSet<>();
    for (String text : texts) {
      names.add(random.nextInt(1000) + text.replaceAll("\\p{Cs}", "?"));
    }
    SafetensorsWriter writer = new SafetensorsWriter();
    List<byte[]> contents = new ArrayList<>();
    List<TensorInfo> infos = new ArrayList<>();
    long at = 0;
    for (String name : names) {
      String dtype = DTYPES.get(random.nextInt(DTYPES.size()));
      List<Long> shape = random.longs(random.nextInt(4), 0, 5).boxed().toList();
      byte[] content = new byte[(int) TensorInfo.bytesFor(dtype, shape)];
      random.nextBytes(content);
      contents.add(content);
      infos.add(new TensorInfo(name, dtype, shape, at, at + content.length));
      at += content.length;
      writer.add(name, dtype, shape, MemorySegment.ofArray(content));
    }
    Path path = Files.createTempFile("crossdock-", ".safetensors");
    try {
      writer.write(path);
      try (SafetensorsFile file = SafetensorsFile.open(path)) {
        assertThat(file.tensors().values()).containsExactlyElementsOf(infos);
        for (int i = 0; i < infos.size(); i++) {
          byte[] read = file.bytes(infos.get(i).name()).toArray(JAVA_BYTE);
          assertThat(read).isEqualTo(contents.get(i));
        }
      }
    } finally {
      Files.delete(path);
    }
  }

  /// One word more than a slice of writing, so that the second slice counts.
  @Test
  void aLargeTensorIsWrittenInSlices() {
    long size = (64L << 20) + 8;
    Path path = folder.resolve("large");
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment large = arena.allocate(size, 8);
      large.set(JAVA_LONG, size - 16, 7);
      large.set(JAVA_LONG, size - 8, 8);
      new SafetensorsWriter().add("x", "I64", List.of(size / 8), large).write(path);
      try (SafetensorsFile file = SafetensorsFile.open(path)) {
        assertThat(file.bytes("x").mismatch(large)).isEqualTo(-1);
      }
    }
  }

  static Stream<Arguments> refused() {
    return Stream.of(
        Arguments.of("x", "U8", List.of(5L), "neededBytes=5, bytes=4"),
        Arguments.of("x", "BF16", List.of(4L), "neededBytes=8, bytes=4"),
        Arguments.of("x", "U7", List.of(4L), "neededBytes=-1"),
        Arguments.of("x", "U8", List.of(-2L, -2L), "neededBytes=-1"),
        Arguments.of("x", "U8", List.of(1L << 62, 4L), "neededBytes=-1"),
        Arguments.of("taken", "U8", List.of(4L), "nameTaken=true"),
        Arguments.of("__metadata__", "U8", List.of(4L), "nameTaken=true"));
  }

  @ParameterizedTest
  @MethodSource
  void refused(String name, String dtype, List<Long> shape, String facts) {
    SafetensorsWriter writer = new SafetensorsWriter().add("taken", "U8", List.of(0L), bytes());
    assertThatThrownBy(() -> writer.add(name, dtype, shape, bytes(1, 2, 3, 4)))
        .isInstanceOf(SafetensorsException.class)
        .hasMessageContaining("tensor=" + name)
        .hasMessageContaining(facts);
    Path path = folder.resolve("rest");
    writer.write(path);
    try (SafetensorsFile file = SafetensorsFile.open(path)) {
      assertThat(file.tensors()).containsOnlyKeys("taken");
    }
  }

  @Test
  void anExistingFileIsReplacedAndNothingElseIsLeft() throws IOException {
    Path path = folder.resolve("file");
    Files.writeString(path, "old");
    new SafetensorsWriter().add("x", "U8", List.of(1L), bytes(9)).write(path);
    try (SafetensorsFile file = SafetensorsFile.open(path)) {
      assertThat(file.bytes("x").get(JAVA_BYTE, 0)).isEqualTo((byte) 9);
    }
    assertThat(folder.toFile().list()).containsExactly("file");
  }

  @Test
  void theFileHasTheRightsOfAnyOtherNewFile() throws IOException {
    Path path = folder.resolve("file");
    Path other = Files.createFile(folder.resolve("other"));
    new SafetensorsWriter().write(path);
    Set<PosixFilePermission> rights = Files.getPosixFilePermissions(path);
    assertThat(rights).isEqualTo(Files.getPosixFilePermissions(other));
  }

  @Test
  void whatCannotBeWrittenIsToldAndLeavesNothing() throws IOException {
    SafetensorsWriter writer = new SafetensorsWriter();
    Path nowhere = folder.resolve("none/file");
    assertThatThrownBy(() -> writer.write(nowhere))
        .isInstanceOf(SafetensorsException.class)
        .hasMessageContaining("file=" + nowhere);
    Path directory = Files.createDirectory(folder.resolve("directory"));
    assertThatThrownBy(() -> writer.write(directory))
        .isInstanceOf(SafetensorsException.class)
        .hasMessageContaining("is a directory");
    assertThat(directory).isDirectory();
    assertThat(folder.toFile().list()).containsExactly("directory");
  }

  private static MemorySegment bytes(int... values) {
    byte[] bytes = new byte[values.length];
    for (int i = 0; i < values.length; i++) {
      bytes[i] = (byte) values[i];
    }
    return MemorySegment.ofArray(bytes);
  }
}
