package io.crossdock.cli.safetensors;

import java.util.List;
import java.util.Map;

/// One tensor of a file: type, shape and where its bytes lie behind the header.
///
/// Safe for any thread.
///
/// @param name in the file
/// @param dtype the format's name of the type, for example `BF16`
/// @param shape sizes, outermost first
/// @param begin first byte, counted from the end of the header
/// @param end behind the last byte
public record TensorInfo(String name, String dtype, List<Long> shape, long begin, long end) {
  private static final Map<String, Integer> BYTES =
      Map.ofEntries(
          Map.entry("BOOL", 1),
          Map.entry("U8", 1),
          Map.entry("I8", 1),
          Map.entry("F8_E4M3", 1),
          Map.entry("F8_E5M2", 1),
          Map.entry("F8_E8M0", 1),
          Map.entry("I16", 2),
          Map.entry("U16", 2),
          Map.entry("F16", 2),
          Map.entry("BF16", 2),
          Map.entry("I32", 4),
          Map.entry("U32", 4),
          Map.entry("F32", 4),
          Map.entry("I64", 8),
          Map.entry("U64", 8),
          Map.entry("F64", 8));

  /// Copies the shape.
  public TensorInfo {
    shape = List.copyOf(shape);
  }

  /// {@return bytes of one element, or -1 for an unknown type}
  ///
  /// @param dtype the format's name
  static int bytesOf(String dtype) {
    return BYTES.getOrDefault(dtype, -1);
  }

  /// {@return bytes that type and shape ask for}
  ///
  /// @throws ArithmeticException if that is no long
  static long bytesFor(String dtype, List<Long> shape) {
    long bytes = bytesOf(dtype);
    for (long size : shape) {
      bytes = Math.multiplyExact(bytes, size);
    }
    return bytes;
  }

  /// {@return the size of a dimension}
  ///
  /// @param dimension 0 is the outermost
  public long size(int dimension) {
    return shape.get(dimension);
  }
}
