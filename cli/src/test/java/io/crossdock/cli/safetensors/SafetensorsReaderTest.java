package io.crossdock.cli.safetensors;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class SafetensorsReaderTest {
  private static final String U8_4 = "{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}";
  private static final String U8_2 = "{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,4]}";

  @TempDir private Path folder;

  @Test
  void tensorsAreFoundInTheOrderOfTheHeaderWhateverTheOrderOfTheData() {
    String header =
        """
        {"b":{"dtype":"F32","shape":[1,2],"data_offsets":[3,11]},
         "__metadata__":{"num_experts":"64"},
         "a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},
         "none":{"dtype":"I64","shape":[0,8],"data_offsets":[3,3]},
         "scalar":{"dtype":"I64","shape":[],"data_offsets":[11,19]}}\
        """;
    byte[] data =
        ByteBuffer.allocate(19)
            .order(ByteOrder.LITTLE_ENDIAN)
            .put(new byte[] {1, 2, 3})
            .putFloat(1.5f)
            .putFloat(-2)
            .putLong(-7)
            .array();
    Path path =
        FileImage.write(folder, FileImage.of(header.getBytes(StandardCharsets.UTF_8), data));
    try (SafetensorsFile file = SafetensorsFile.open(path)) {
      assertThat(file.tensors().keySet()).containsExactly("b", "a", "none", "scalar");
      assertThat(file.metadata()).containsOnlyKeys("num_experts").containsValue("64");
      assertThat(file.find("b")).contains(new TensorInfo("b", "F32", List.of(1L, 2L), 3, 11));
      assertThat(file.bytes("a").toArray(JAVA_BYTE)).containsExactly(1, 2, 3);
      assertThat(file.bytes("b").get(JAVA_FLOAT_UNALIGNED, 4)).isEqualTo(-2f);
      assertThat(file.bytes("none").byteSize()).isZero();
      assertThat(file.bytes("scalar").get(JAVA_LONG_UNALIGNED, 0)).isEqualTo(-7);
      assertThat(file.find("c")).isEmpty();
      assertThatThrownBy(() -> file.bytes("c"))
          .isInstanceOf(SafetensorsException.class)
          .hasMessageContaining("tensor=c")
          .hasMessageContaining("file=" + path);
    }
  }

  /// The header's length moves the data to every alignment.
  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2, 3, 4, 5, 6, 7})
  void dataNeedsNoAlignment(int padding) {
    String header =
        "{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}" + " ".repeat(padding);
    ByteBuffer data = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putFloat(4, 3.25f);
    byte[] image = FileImage.of(header.getBytes(StandardCharsets.UTF_8), data.array());
    try (SafetensorsFile file = SafetensorsFile.open(FileImage.write(folder, image))) {
      assertThat(file.bytes("x").get(JAVA_FLOAT_UNALIGNED, 4)).isEqualTo(3.25f);
    }
  }

  @Test
  void aFileWithoutTensorsIsAFile() {
    Path path = FileImage.write(folder, FileImage.of("{}", 0));
    try (SafetensorsFile file = SafetensorsFile.open(path)) {
      assertThat(file.tensors()).isEmpty();
      assertThat(file.metadata()).isEmpty();
    }
  }

  @Test
  void theMappingIsReadOnlyAndEndsWithTheFile() {
    Path path = FileImage.write(folder, FileImage.of("{\"x\":" + U8_4 + "}", 4));
    SafetensorsFile file = SafetensorsFile.open(path);
    MemorySegment bytes = file.bytes("x");
    assertThat(bytes.isReadOnly()).isTrue();
    assertThatThrownBy(() -> file.tensors().clear())
        .isInstanceOf(UnsupportedOperationException.class);
    file.close();
    file.close();
    assertThat(bytes.scope().isAlive()).isFalse();
  }

  static Stream<Arguments> malformed() {
    return Stream.of(
        bad("no header", "", 0, "does not begin with a brace"),
        bad("leading space", " {}", 0, "does not begin with a brace"),
        bad("not an object", "[]", 0, "does not begin with a brace"),
        bad("a number", "7", 0, "does not begin with a brace"),
        bad("open end", "{", 0, "not JSON"),
        bad("broken", "{\"x\":}", 0, "not JSON"),
        bad("two values", "{}{}", 0, "not JSON"),
        bad("text behind", "{} x", 0, "not JSON"),
        bad("zero byte behind", "{}\0", 0, "not JSON"),
        bad("comment", "{/**/}", 0, "not JSON"),
        bad("single quotes", "{'x':1}", 0, "not JSON"),
        bad("too deep", "{\"x\":[[[[[[[[[[1]]]]]]]]]]}", 0, "not JSON"),
        bad("same tensor twice", "{\"x\":" + U8_4 + ",\"x\":" + U8_4 + "}", 4, "not JSON"),
        bad("same key twice", tensor("\"U8\",\"dtype\":\"U8\"", "[4]", "[0,4]"), 4, "not JSON"),
        bad("same string twice", "{\"__metadata__\":{\"a\":\"1\",\"a\":\"1\"}}", 0, "not JSON"),
        bad("metadata is a list", "{\"__metadata__\":[]}", 0, "metadata is not an object"),
        bad("metadata is null", "{\"__metadata__\":null}", 0, "metadata is not an object"),
        bad("number in metadata", "{\"__metadata__\":{\"a\":1}}", 0, "key=a"),
        bad("null in metadata", "{\"__metadata__\":{\"a\":null}}", 0, "key=a"),
        bad("tensor is a list", "{\"x\":[]}", 0, "no known dtype"),
        bad("tensor is null", "{\"x\":null}", 0, "no known dtype"),
        bad("dtype missing", "{\"x\":{\"shape\":[0],\"data_offsets\":[0,0]}}", 0, "tensor=x"),
        bad("dtype unknown", tensor("\"F7\"", "[4]", "[0,4]"), 4, "dtype=\"F7\""),
        bad("dtype in lower case", tensor("\"u8\"", "[4]", "[0,4]"), 4, "dtype=\"u8\""),
        bad("dtype is a number", tensor("8", "[4]", "[0,4]"), 4, "dtype=8"),
        bad("shape missing", "{\"x\":{\"dtype\":\"U8\",\"data_offsets\":[0,0]}}", 0, "key=shape"),
        bad("shape is a number", tensor("\"U8\"", "4", "[0,4]"), 4, "key=shape"),
        bad("shape has a string", tensor("\"U8\"", "[\"4\"]", "[0,4]"), 4, "key=shape"),
        bad("shape has null", tensor("\"U8\"", "[null]", "[0,4]"), 4, "value=null"),
        bad("shape is negative", tensor("\"U8\"", "[-4]", "[0,4]"), 4, "value=-4"),
        bad("two negatives", tensor("\"U8\"", "[-2,-2]", "[0,4]"), 4, "value=-2"),
        bad("shape has a fraction", tensor("\"U8\"", "[4.0]", "[0,4]"), 4, "value=4.0"),
        bad("shape beyond 64 bits", tensor("\"U8\"", "[9223372036854775808]", "[0,4]"), 4, "size"),
        bad("product wraps", tensor("\"I64\"", "[4294967296,4294967296]", "[0,0]"), 0, "too large"),
        bad("product wraps to 4", tensor("\"U8\"", "[4611686018427387905,4]", "[0,4]"), 4, "large"),
        bad("offsets missing", "{\"x\":{\"dtype\":\"U8\",\"shape\":[0]}}", 0, "key=data_offsets"),
        bad("one offset", tensor("\"U8\"", "[4]", "[4]"), 4, "outside of the data"),
        bad("three offsets", tensor("\"U8\"", "[4]", "[0,4,4]"), 4, "outside of the data"),
        bad("offsets in reverse", tensor("\"U8\"", "[4]", "[4,0]"), 4, "outside of the data"),
        bad("offset is negative", tensor("\"U8\"", "[4]", "[-4,0]"), 4, "value=-4"),
        bad("behind the end", tensor("\"U8\"", "[5]", "[0,5]"), 4, "dataBytes=4"),
        bad("begins far behind", tensor("\"U8\"", "[0]", "[99,99]"), 4, "dataBytes=4"),
        bad("bytes too few", tensor("\"U8\"", "[4]", "[0,3]"), 4, "do not fit its shape"),
        bad("bytes too many", tensor("\"BF16\"", "[1]", "[0,4]"), 4, "do not fit its shape"),
        bad("scalar of no bytes", tensor("\"F32\"", "[]", "[0,0]"), 0, "do not fit its shape"),
        bad("data unused", tensor("\"U8\"", "[4]", "[0,4]"), 5, "no tensor owns"),
        bad("hole in front", tensor("\"U8\"", "[3]", "[1,4]"), 4, "hole"),
        bad("hole between", two("[0,1]", 1, "[2,4]", 2), 4, "hole"),
        bad("overlap", two("[0,3]", 3, "[2,4]", 2), 4, "overlap"),
        bad("same bytes twice", two("[0,4]", 4, "[0,4]", 4), 4, "overlap"),
        bad("empty tensor inside another", two("[0,4]", 4, "[2,2]", 0), 4, "overlap"));
  }

  private static Arguments bad(String what, String header, int dataBytes, String expected) {
    return Arguments.of(what, header, dataBytes, expected);
  }

  private static String tensor(String dtype, String shape, String offsets) {
    return "{\"x\":{\"dtype\":%s,\"shape\":%s,\"data_offsets\":%s}}"
        .formatted(dtype, shape, offsets);
  }

  private static String two(String offsets0, int bytes0, String offsets1, int bytes1) {
    String one = "{\"dtype\":\"U8\",\"shape\":[%d],\"data_offsets\":%s}";
    return "{\"a\":%s,\"b\":%s}"
        .formatted(one.formatted(bytes0, offsets0), one.formatted(bytes1, offsets1));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource
  void malformed(String what, String header, int dataBytes, String expected) {
    Path path = FileImage.write(folder, FileImage.of(header, dataBytes));
    refused(path, expected);
  }

  @Test
  void aNameMayBeUsedOnlyOnceEvenIfEscaped() {
    String header = "{\"x\":" + U8_2.replace("2,4", "0,2") + ",\"\\u0078\":" + U8_2 + "}";
    refused(FileImage.write(folder, FileImage.of(header, 4)), "not JSON");
  }

  @Test
  void aHeaderThatIsNotUtf8IsRefused() {
    byte[] header = "{\"x\":1}".getBytes(StandardCharsets.UTF_8);
    header[2] = (byte) 0xff;
    refused(FileImage.write(folder, FileImage.of(header, new byte[0])), "not UTF-8");
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 7})
  void aFileTooShortForALengthIsRefused(int bytes) {
    refused(FileImage.write(folder, new byte[bytes]), "fileBytes=" + bytes);
  }

  @ParameterizedTest
  @ValueSource(longs = {3, 100, -1, Long.MAX_VALUE, Long.MIN_VALUE, Long.MAX_VALUE - 7})
  void aLengthThatDoesNotFitTheFileIsRefused(long headerBytes) {
    byte[] image = FileImage.withLength(headerBytes, new byte[] {'{', '}'}, new byte[0]);
    refused(FileImage.write(folder, image), "headerBytes=" + headerBytes + ", fileBytes=10");
  }

  @Test
  void aHeaderBeyondItsLimitIsRefusedEvenIfTheFileIsLargeEnough() throws IOException {
    int headerBytes = (100 << 20) + 1;
    Path path =
        FileImage.write(folder, FileImage.withLength(headerBytes, new byte[0], new byte[0]));
    try (RandomAccessFile sparse = new RandomAccessFile(path.toFile(), "rw")) {
      sparse.setLength(200 << 20);
    }
    refused(path, "headerBytes=" + headerBytes);
  }

  @Test
  void whatIsNoReadableFileIsRefused() {
    refused(folder.resolve("none"), "cannot be read");
    refused(folder, "cannot be read");
  }

  @Test
  void aRefusedFileIsNotKeptMapped() throws IOException {
    Path path = FileImage.write(folder, FileImage.of("[]", 0));
    refused(path, "brace");
    assertThat(Files.readAllLines(Path.of("/proc/self/maps")))
        .noneMatch(line -> line.contains(path.toString()));
  }

  private static void refused(Path path, String expected) {
    assertThatThrownBy(() -> SafetensorsFile.open(path))
        .isInstanceOf(SafetensorsException.class)
        .hasMessageContaining("file=" + path)
        .hasMessageContaining(expected);
  }
}
