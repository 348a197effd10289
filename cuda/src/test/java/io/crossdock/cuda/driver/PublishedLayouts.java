package io.crossdock.cuda.driver;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/// What an image says of its kernels and of the structs they share with the host.
///
/// Safe for any thread.
public final class PublishedLayouts {
  private static final String PREFIX = "layout_";

  private PublishedLayouts() {}

  /// Of each struct: its size, then the offset of each field in order.
  ///
  /// @param image that is present
  public static Map<String, List<Integer>> of(KernelImage image) {
    Cubin cubin = new Fatbin(image.read()).cubins().getFirst();
    Map<String, List<Integer>> layouts = new TreeMap<>();
    for (String name : cubin.constants(PREFIX)) {
      layouts.put(
          name.substring(PREFIX.length()),
          Arrays.stream(cubin.constantInts(name)).boxed().toList());
    }
    return layouts;
  }

  /// Of each kernel: the bytes of its parameters.
  ///
  /// @param image that is present
  public static Map<String, Integer> parameters(KernelImage image) {
    Cubin cubin = new Fatbin(image.read()).cubins().getFirst();
    Map<String, Integer> sizes = new TreeMap<>();
    for (String kernel : cubin.kernels()) {
      sizes.put(kernel, cubin.parametersByteSize(kernel));
    }
    return sizes;
  }
}
