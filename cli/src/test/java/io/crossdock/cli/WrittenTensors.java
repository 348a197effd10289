package io.crossdock.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.cli.safetensors.SafetensorsFile;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Set;

/// The tensors of one rank in an output file.
///
/// @param file looked at
/// @param prefix of the rank
/// @param names filled with those that were looked at
record WrittenTensors(SafetensorsFile file, String prefix, Set<String> names) {
  void same(String name, String dtype, List<Long> shape, MemorySegment bytes) {
    assertThat(found(name, dtype, shape).mismatch(bytes)).as(prefix + name).isEqualTo(-1);
  }

  /// {@return the bytes of a tensor that has this dtype and shape}
  MemorySegment found(String name, String dtype, List<Long> shape) {
    names.add(prefix + name);
    assertThat(file.find(prefix + name)).as(prefix + name).isPresent();
    assertThat(file.find(prefix + name).orElseThrow().dtype()).as(name).isEqualTo(dtype);
    assertThat(file.find(prefix + name).orElseThrow().shape()).as(name).isEqualTo(shape);
    return file.bytes(prefix + name);
  }
}
