package io.crossdock.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.crossdock.cuda.driver.KernelImage;
import io.crossdock.cuda.driver.PublishedLayouts;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

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

  @Test
  void aFieldThatIsNotThereIsToldByName() {
    assertThatThrownBy(() -> Structs.COPY.offset("size"))
        .hasMessageContaining("struct=CopyArgs, field=size");
  }
}
