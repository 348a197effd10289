package io.crossdock.cuda.driver;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.lang.foreign.StructLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/// Compares the bindings with `cuda.h`, where there is one.
class DriverHeaderTest {
  private static final List<Path> HEADERS =
      Stream.of("/usr/local/cuda/include/cuda.h", "/usr/include/cuda.h", "/opt/cuda/include/cuda.h")
          .map(Path::of)
          .toList();

  private static final Pattern PROTOTYPE =
      Pattern.compile("CUresult CUDAAPI (cu\\w+)\\(([^;]*?)\\);");
  private static final Pattern RENAME =
      Pattern.compile("#define (cu\\w+)\\s+(?:__CUDA_API_PT[DS][SZ]\\()?(cu\\w+)");
  private static final Pattern WORD =
      Pattern.compile(
          "\\b(size_t|long long|CU(deviceptr|context|stream|event|graph|graphExec|module|function"
              + "|memoryPool|memGenericAllocationHandle))\\b");
  private static final Pattern FIELD =
      Pattern.compile("([\\w ]+?)\\s*(\\**)(\\w+)(?:\\[(\\d+)])?;");
  private static final Pattern ENUMERATOR = Pattern.compile("\\b(CU\\w+)\\s*=\\s*(0x)?(\\w+)");

  /// Older forms that are bound on purpose, with the shape that they had.
  private static final Map<String, String> OLDER = Map.of("cuEventElapsedTime", "LLL");

  private static String header;

  @BeforeAll
  static void readHeader() throws IOException {
    Path found = HEADERS.stream().filter(Files::exists).findFirst().orElse(null);
    assumeTrue(found != null, "no cuda.h");
    header = Files.readString(found);
  }

  @Test
  void everyFunctionHasTheShapeOfItsPrototype() {
    Map<String, String> prototypes =
        matches(PROTOTYPE).collect(Collectors.toMap(m -> m.group(1), m -> m.group(2), (a, b) -> a));
    for (Symbol symbol : Driver.all()) {
      String plain = symbol.name().replaceFirst("_v\\d+$|WithFlags$", "");
      String parameters = prototypes.getOrDefault(symbol.name(), prototypes.get(plain));
      assertThat(parameters).as(symbol.name()).isNotNull();
      assertThat(symbol.shape()).as(symbol.name()).isEqualTo(shapeOf(parameters));
    }
  }

  @Test
  void everyFunctionHasTheSuffixThatTheHeaderGivesIt() {
    Map<String, String> renames =
        matches(RENAME).collect(Collectors.toMap(m -> m.group(1), m -> m.group(2), (a, b) -> a));
    for (Symbol symbol : Driver.all()) {
      String plain = symbol.name().replaceFirst("_v\\d+$", "");
      if (OLDER.containsKey(plain)) {
        assertThat(symbol.shape()).isEqualTo(OLDER.get(plain));
      } else {
        assertThat(symbol.name()).isEqualTo(renames.getOrDefault(plain, plain));
      }
    }
  }

  @Test
  void numbersAreThoseOfTheHeader() {
    Map<String, Integer> numbers = numbers();
    for (GpuAttribute attribute : GpuAttribute.values()) {
      assertThat(numbers).containsEntry("CU_DEVICE_ATTRIBUTE_" + attribute, attribute.code());
    }
    for (PeerAttribute attribute : PeerAttribute.values()) {
      assertThat(numbers).containsEntry("CU_DEVICE_P2P_ATTRIBUTE_" + attribute, attribute.code());
    }
    for (CaptureMode mode : CaptureMode.values()) {
      assertThat(numbers).containsEntry("CU_STREAM_CAPTURE_MODE_" + mode, mode.code());
    }
    assertThat(numbers)
        .containsEntry("CUDA_ERROR_NOT_READY", Driver.NOT_READY)
        .containsEntry("CUDA_ERROR_DEINITIALIZED", Driver.DEINITIALIZED)
        .containsEntry("CUDA_ERROR_INVALID_VALUE", Driver.INVALID_VALUE)
        .containsEntry("CUDA_ERROR_NOT_PERMITTED", Driver.NOT_PERMITTED)
        .containsEntry(
            "CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED", Driver.PEER_ACCESS_ALREADY_ENABLED);
  }

  @Test
  void numbersOfAllocationsAreThoseOfTheHeader() {
    Map<String, Integer> numbers = numbers();
    for (HandleType type : HandleType.values()) {
      assertThat(numbers).containsEntry("CU_MEM_HANDLE_TYPE_" + type, type.code());
    }
    assertThat(numbers)
        .containsEntry("CU_MEM_ALLOCATION_TYPE_PINNED", AllocationStructs.ALLOCATION_PINNED)
        .containsEntry("CU_MEM_LOCATION_TYPE_DEVICE", AllocationStructs.LOCATION_DEVICE)
        .containsEntry("CU_MEM_ACCESS_FLAGS_PROT_READWRITE", AllocationStructs.ACCESS_READ_WRITE)
        .containsEntry("CU_MEM_ALLOC_GRANULARITY_MINIMUM", AllocationStructs.GRANULARITY_MINIMUM);
    assertThat(header)
        .contains("#define CU_IPC_HANDLE_SIZE " + SharedHandle.BYTES)
        .contains("unsigned char data[CU_IPC_HANDLE_SIZE];\n} CUmemFabricHandle_v1;");
  }

  /// Fields of the same sizes in the same order lie at the same places.
  @Test
  void structsOfAllocationsHaveTheFieldsOfTheHeader() {
    assertThat(fields("CUmemLocation")).isEqualTo(fields(AllocationStructs.LOCATION));
    assertThat(fields("CUmemAllocationProp")).isEqualTo(fields(AllocationStructs.PROPERTIES));
    assertThat(fields("CUmemAccessDesc")).isEqualTo(fields(AllocationStructs.ACCESS));
  }

  /// Name and bytes of each field; a struct inside is told by its fields.
  private static List<String> fields(StructLayout layout) {
    return layout.memberLayouts().stream()
        .flatMap(member ->
            member instanceof StructLayout inner
                ? fields(inner).stream()
                : Stream.of(member.name().orElseThrow() + ":" + member.byteSize()))
        .toList();
  }

  private static List<String> fields(String struct) {
    String start = "typedef struct " + struct + "_st {";
    int begin = header.indexOf(start) + start.length();
    String body = header.substring(begin, header.indexOf("} " + struct + "_v1;", begin));
    String plain = body.replaceAll("(?s)/\\*.*?\\*/", "").replaceAll("struct \\{|} \\w+;", "");
    return FIELD.matcher(plain).results().flatMap(DriverHeaderTest::field).toList();
  }

  private static Stream<String> field(MatchResult found) {
    String type = found.group(1).strip();
    if (type.equals("CUmemLocation")) {
      return fields(type).stream();
    }
    int bytes =
        switch (type) {
          case "unsigned char" -> 1;
          case "unsigned short" -> 2;
          default -> found.group(2).isEmpty() ? Integer.BYTES : Long.BYTES;
        };
    int count = found.group(4) == null ? 1 : Integer.parseInt(found.group(4));
    return Stream.of(found.group(3) + ":" + bytes * count);
  }

  private static Map<String, Integer> numbers() {
    return matches(ENUMERATOR)
        .filter(m -> m.group(3).matches(m.group(2) == null ? "\\d{1,9}" : "\\p{XDigit}{1,7}"))
        .collect(
            Collectors.toMap(
                m -> m.group(1),
                m -> Integer.parseInt(m.group(3), m.group(2) == null ? 10 : 16),
                (a, b) -> a));
  }

  private static Stream<Matcher> matches(Pattern pattern) {
    Matcher all = pattern.matcher(header);
    Stream.Builder<Matcher> found = Stream.builder();
    while (all.find()) {
      Matcher one = pattern.matcher(all.group());
      if (one.find()) {
        found.add(one);
      }
    }
    return found.build();
  }

  private static String shapeOf(String parameters) {
    return Stream.of(parameters.split(","))
        .map(String::strip)
        .map(DriverHeaderTest::letter)
        .collect(Collectors.joining());
  }

  private static String letter(String parameter) {
    if (parameter.contains("*") || WORD.matcher(parameter).find()) {
      return "L";
    }
    if (parameter.contains("CUipcMemHandle")) {
      return "H";
    }
    if (parameter.contains("unsigned char")) {
      return "B";
    }
    boolean enumeration =
        parameter.matches("CU(device|result|stream|func|pointer|memPool|memAllocation|jit)\\w* .*");
    assertThat(enumeration || parameter.matches(".*\\b(int|CUdevice)\\b.*")).as(parameter).isTrue();
    return "I";
  }
}
