package io.crossdock.cuda.driver;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// The compiled kernels keep the rules that launches from Java rely on.
class KernelImageTest {
  private static final String LAYOUT = "layout_";

  @ParameterizedTest
  @EnumSource
  void everyGenerationIsThere(KernelImage image) {
    Fatbin fatbin = read(image);
    assertThat(fatbin.cubins()).extracting(Cubin::architecture).contains(90);
    assertThat(fatbin.images())
        .anyMatch(one -> one.kind() == Fatbin.Kind.PTX && one.architecture() == 90);
    assertThat(KernelImage.builtWith())
        .hasValueSatisfying(
            nvcc -> assertThat(nvcc).isGreaterThanOrEqualTo(CudaProbe.OLDEST_DRIVER));
  }

  /// A launch passes the address of one struct.
  @ParameterizedTest
  @EnumSource
  void everyKernelHasOneParameter(KernelImage image) {
    for (Cubin cubin : read(image).cubins()) {
      assertThat(cubin.kernels()).isNotEmpty();
      for (String kernel : cubin.kernels()) {
        List<Cubin.Parameter> parameters = cubin.parameters(kernel);
        assertThat(parameters).as(kernel).hasSize(1);
        assertThat(parameters.getFirst().offset()).as(kernel).isZero();
        assertThat(parameters.getFirst().byteSize())
            .as(kernel)
            .isPositive()
            .isEqualTo(cubin.parametersByteSize(kernel));
      }
    }
  }

  /// The struct of each kernel is one of those whose layout is published.
  @ParameterizedTest
  @EnumSource
  void everyParameterHasTheSizeOfALayout(KernelImage image) {
    for (Cubin cubin : read(image).cubins()) {
      List<Integer> sizes = layouts(cubin).values().stream().map(List::getFirst).toList();
      for (String kernel : cubin.kernels()) {
        assertThat(sizes).as(kernel).contains(cubin.parametersByteSize(kernel));
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void layoutsAreTheSameForEveryGenerationAndInOrder(KernelImage image) {
    List<Cubin> cubins = read(image).cubins();
    Map<String, List<Integer>> first = layouts(cubins.getFirst());
    assertThat(first).isNotEmpty();
    for (Cubin cubin : cubins) {
      assertThat(layouts(cubin)).isEqualTo(first);
    }
    first.forEach((name, layout) -> {
      List<Integer> offsets = layout.subList(1, layout.size());
      assertThat(offsets).as(name).isNotEmpty().isSorted().doesNotHaveDuplicates();
      assertThat(offsets.getFirst()).as(name).isZero();
      assertThat(offsets.getLast()).as(name).isLessThan(layout.getFirst());
    });
  }

  @Test
  void otherFilesAreRefused() {
    byte[] zeros = new byte[64];
    assertThatThrownBy(() -> new Fatbin(zeros)).hasMessageContaining("not a fatbin");
    Fatbin fatbin = read(KernelImage.RELEASE);
    Cubin cubin = fatbin.cubins().getFirst();
    assertThatThrownBy(() -> cubin.constantInts("layout_none")).hasMessageContaining("layout_none");
    assertThatThrownBy(() -> cubin.parameters("none")).hasMessageContaining(".nv.info.none");
  }

  private static Fatbin read(KernelImage image) {
    assumeTrue(image.isPresent(), "this build was made without nvcc");
    return new Fatbin(image.read());
  }

  /// Of each struct: its size, then the offset of each field.
  private static Map<String, List<Integer>> layouts(Cubin cubin) {
    Map<String, List<Integer>> layouts = new TreeMap<>();
    for (String name : cubin.constants(LAYOUT)) {
      layouts.put(
          name.substring(LAYOUT.length()),
          Arrays.stream(cubin.constantInts(name)).boxed().toList());
    }
    return layouts;
  }
}
