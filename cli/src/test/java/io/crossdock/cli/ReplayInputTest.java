package io.crossdock.cli;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.cli.safetensors.SafetensorsFile;
import io.crossdock.cli.safetensors.SafetensorsWriter;
import io.crossdock.core.DType;
import io.crossdock.core.DispatchInput;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.Tensor;
import io.crossdock.core.format.Bf16;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ReplayInputTest {
  private static final List<Long> ROWS = List.of(2L, 8L);
  private static final List<Long> CHOICES = List.of(2L, 2L);
  private static final float[] VALUES = {1f, -2.5f, 0x1.01p0f, 0x1.03p0f, 0f, -0f, 3f, 4f};

  @TempDir private Path folder;

  /// A file that begins with a byte, so that nothing behind is aligned.
  private SafetensorsFile file(Consumer<SafetensorsWriter> content) {
    SafetensorsWriter writer = new SafetensorsWriter().add("odd", "U8", List.of(1L), zeros(1));
    content.accept(writer);
    Path path = folder.resolve("file");
    writer.write(path);
    return SafetensorsFile.open(path);
  }

  private static void addX(SafetensorsWriter writer) {
    writer.add("rank0.x", "BF16", ROWS, zeros(32));
  }

  private static void addIdx(SafetensorsWriter writer) {
    writer.add("rank0.topk_idx", "I64", CHOICES, zeros(32));
  }

  private static void addWeights(SafetensorsWriter writer) {
    writer.add("rank0.topk_weights", "F32", CHOICES, zeros(16));
  }

  private static MemorySegment zeros(int bytes) {
    return MemorySegment.ofArray(new byte[bytes]);
  }

  @Test
  void rowsOfAllThreeTypesAreTakenToBf16() {
    MemorySegment f32 = zeros(64);
    MemorySegment f16 = zeros(32);
    MemorySegment bf16 = zeros(32);
    for (int i = 0; i < VALUES.length; i++) {
      f32.set(ValueLayout.JAVA_FLOAT_UNALIGNED, i * 4L, VALUES[i]);
      f16.set(ValueLayout.JAVA_SHORT_UNALIGNED, i * 2L, Float.floatToFloat16(VALUES[i]));
      bf16.set(ValueLayout.JAVA_SHORT_UNALIGNED, i * 2L, Bf16.fromFloat(VALUES[i]));
    }
    try (Arena arena = Arena.ofConfined();
        SafetensorsFile file =
            file(w -> {
              w.add("rank0.x", "F32", ROWS, f32);
              w.add("rank0.bias0", "F16", ROWS, f16);
              w.add("rank0.bias1", "BF16", ROWS, bf16);
              addIdx(w);
              addWeights(w);
            })) {
      ReplayInput input = ReplayInput.read(file, 0, arena);
      assertThat(input.hidden()).isEqualTo(8);
      assertThat(input.topk()).isEqualTo(2);
      assertThat(input.bias(0)).isEmpty();
      assertThat(input.bias(1)).containsExactly(input.bias0().orElseThrow());
      assertThat(input.bias(2)).hasSize(2);
      for (Tensor tensor : List.of(input.x(), input.bias(2)[0], input.bias(2)[1])) {
        assertThat(tensor.dtype()).isEqualTo(DType.BF16);
        assertThat(tensor.segment().mismatch(bf16)).isEqualTo(-1);
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"I32, 4", "I64, 8"})
  void choicesKeepTheirType(String dtype, int bytes) {
    MemorySegment ids = zeros(4 * bytes);
    for (int i = 0; i < 4; i++) {
      if (bytes == 4) {
        ids.set(JAVA_INT_UNALIGNED, i * 4L, i - 1);
      } else {
        ids.set(JAVA_LONG_UNALIGNED, i * 8L, i - 1);
      }
    }
    try (Arena arena = Arena.ofConfined();
        SafetensorsFile file =
            file(w -> {
              addX(w);
              w.add("rank0.topk_idx", dtype, CHOICES, ids);
              addWeights(w);
            })) {
      ReplayInput input = ReplayInput.read(file, 0, arena);
      assertThat(input.topkIdx().dtype().name()).isEqualTo(dtype);
      assertThat(input.topkIdx().segment().mismatch(ids)).isEqualTo(-1);
    }
  }

  @Test
  void rowsAreQuantisedOnlyForFp8() {
    try (Arena arena = Arena.ofConfined();
        SafetensorsFile file =
            file(w -> {
              w.add("rank0.x", "BF16", List.of(2L, 256L), zeros(1024));
              addIdx(w);
              addWeights(w);
            })) {
      ReplayInput input = ReplayInput.read(file, 0, arena);
      assertThat(input.dispatchInput(ReplayTask.RowType.bf16, arena).x()).isSameAs(input.x());
      DispatchInput fp8 = input.dispatchInput(ReplayTask.RowType.fp8, arena);
      assertThat(fp8.x().dtype()).isEqualTo(DType.FP8_E4M3);
      assertThat(fp8.x().shape()).containsExactly(2, 256);
      assertThat(fp8.scales().orElseThrow().shape()).containsExactly(2, 2);
      assertThat(fp8.topkIdx()).contains(input.topkIdx());
    }
  }

  @Test
  void aMissingTensorIsNamed() {
    refused(w -> addX(w), "tensor=rank0.topk_idx");
    refused(
        w -> {
          addX(w);
          addIdx(w);
        },
        "tensor=rank0.topk_weights");
    refused(w -> addIdx(w), "tensor=rank0.x");
  }

  @ParameterizedTest
  @CsvSource({
    "x, F64, 16, 8",
    "x, I32, 16, 4",
    "topk_idx, F32, 4, 4",
    "topk_idx, U8, 4, 1",
    "topk_weights, BF16, 4, 2",
    "topk_weights, F64, 4, 8",
    "bias0, U8, 16, 1"
  })
  void aWrongTypeIsNamed(String name, String dtype, int elements, int bytes) {
    refused(
        w -> {
          List<Long> shape = List.of(2L, elements / 2L);
          w.add("rank0." + name, dtype, shape, zeros(elements * bytes));
          addOthers(w, name);
        },
        "tensor=rank0." + name + ", dtype=" + dtype);
  }

  @ParameterizedTest
  @ValueSource(strings = {"x", "topk_idx", "topk_weights", "bias1"})
  void whatIsNoMatrixIsNamed(String name) {
    String dtype = name.equals("topk_idx") ? "I64" : "F32";
    refused(
        w -> {
          w.add("rank0." + name, dtype, List.of(2L), zeros(dtype.equals("I64") ? 16 : 8));
          addOthers(w, name);
        },
        "tensor=rank0." + name + ", shape=[2]");
  }

  private static void addOthers(SafetensorsWriter writer, String but) {
    if (!but.equals("x")) {
      addX(writer);
    }
    if (!but.equals("topk_idx")) {
      addIdx(writer);
    }
    if (!but.equals("topk_weights")) {
      addWeights(writer);
    }
  }

  @Test
  void tensorsOfDifferentSizesAreRefused() {
    refused(
        w -> {
          addX(w);
          w.add("rank0.topk_idx", "I64", List.of(3L, 2L), zeros(48));
          addWeights(w);
        },
        "do not fit each other");
    refused(
        w -> {
          addX(w);
          addIdx(w);
          w.add("rank0.topk_weights", "F32", List.of(2L, 3L), zeros(24));
        },
        "do not fit each other");
  }

  @Test
  void aBiasThatIsNotRecordedIsRefused() {
    try (Arena arena = Arena.ofConfined();
        SafetensorsFile file =
            file(w -> {
              addOthers(w, "");
              w.add("rank0.bias0", "BF16", ROWS, zeros(32));
            })) {
      ReplayInput input = ReplayInput.read(file, 0, arena);
      assertThat(input.bias(1)).hasSize(1);
      assertThatThrownBy(() -> input.bias(2))
          .isInstanceOf(InvalidInputException.class)
          .hasMessageContaining("wanted=2");
    }
  }

  @Test
  void ranksAreCountedFromZeroWithoutAGap() {
    try (SafetensorsFile file = file(w -> w.add("rank0.y", "U8", List.of(1L), zeros(1)))) {
      assertThatThrownBy(() -> ReplayInput.numRanks(file))
          .isInstanceOf(InvalidInputException.class)
          .hasMessageContaining("tensor=rank0.x");
    }
    try (SafetensorsFile file =
        file(w -> {
          addX(w);
          w.add("rank1.x", "BF16", ROWS, zeros(32));
          w.add("ranks", "U8", List.of(1L), zeros(1));
        })) {
      assertThat(ReplayInput.numRanks(file)).isEqualTo(2);
    }
    try (SafetensorsFile file =
        file(w -> {
          addX(w);
          w.add("rank2.topk_idx", "I64", CHOICES, zeros(32));
        })) {
      assertThatThrownBy(() -> ReplayInput.numRanks(file))
          .isInstanceOf(InvalidInputException.class)
          .hasMessageContaining("missing=rank1.x, tensor=rank2.topk_idx");
    }
  }

  @Test
  void theNumberOfExpertsIsAStringOfTheMetadata() {
    try (SafetensorsFile file = file(w -> w.metadata("num_experts", " 64 "))) {
      assertThat(ReplayInput.numExperts(file)).isEqualTo(64);
    }
    try (SafetensorsFile file = file(w -> {})) {
      assertThatThrownBy(() -> ReplayInput.numExperts(file))
          .isInstanceOf(InvalidInputException.class)
          .hasMessageContaining("key=num_experts, value=null");
    }
    try (SafetensorsFile file = file(w -> w.metadata("num_experts", "64.0"))) {
      assertThatThrownBy(() -> ReplayInput.numExperts(file))
          .isInstanceOf(InvalidInputException.class)
          .hasMessageContaining("value=64.0");
    }
  }

  private void refused(Consumer<SafetensorsWriter> content, String fact) {
    try (Arena arena = Arena.ofConfined();
        SafetensorsFile file = file(content)) {
      assertThatThrownBy(() -> ReplayInput.read(file, 0, arena))
          .isInstanceOf(InvalidInputException.class)
          .hasMessageContaining(fact);
    }
  }
}
