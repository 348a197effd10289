package io.crossdock.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.crossdock.cuda.driver.KernelImage;
import io.crossdock.cuda.driver.PublishedLayouts;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Java and the kernels mean the same bytes.
class StructsTest {
  @Test
  void offsetsAreThoseOfTheKernels() {
    assumeTrue(KernelImage.RELEASE.isPresent(), "this build was made without nvcc");
    Map<String, List<Integer>> published = PublishedLayouts.of(KernelImage.RELEASE);
    for (Struct struct : Structs.ALL) {
      List<Integer> mine = new ArrayList<>();
      mine.add((int) struct.byteSize());
      struct.fields().forEach(field -> mine.add((int) struct.offset(field)));
      assertThat(mine).as(struct.name()).isEqualTo(published.get(struct.name()));
    }
    assertThat(published.keySet())
        .containsExactlyInAnyOrderElementsOf(Structs.ALL.stream().map(Struct::name).toList());
  }

  /// Every entry point named in Java is in the image with the parameter that Java writes, and no
  /// other.
  @ParameterizedTest
  @EnumSource
  void kernelsAreThoseOfTheImage(KernelImage image) {
    assumeTrue(image.isPresent(), "this build was made without nvcc");
    Map<String, Integer> mine = new TreeMap<>();
    for (Kernel kernel : Kernel.values()) {
      mine.put(kernel.entryPoint, (int) kernel.args.byteSize());
    }
    assertThat(mine).isEqualTo(PublishedLayouts.parameters(image));
  }

  @Test
  void aFieldThatIsNotThereIsToldByName() {
    assertThatThrownBy(() -> Structs.COPY.offset("size"))
        .hasMessageContaining("struct=CopyArgs, field=size");
  }
}
