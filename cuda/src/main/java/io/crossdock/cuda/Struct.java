package io.crossdock.cuda;

import java.util.ArrayList;
import java.util.List;

/// The order of the fields of a struct that kernels share with the host, as in `args.cuh`. Every
/// field is a 64-bit word, another struct, or text. Offsets follow from the order alone; a test
/// compares them with those of the compiler.
///
/// Built by one thread, then safe for any.
final class Struct {
  private final String name;
  private final List<String> fields = new ArrayList<>();
  private final List<Long> offsets = new ArrayList<>();
  private long byteSize;

  private Struct(String name) {
    this.name = name;
  }

  static Struct named(String name) {
    return new Struct(name);
  }

  /// Adds words.
  Struct words(String... names) {
    for (String word : names) {
      take(word, Long.BYTES);
    }
    return this;
  }

  /// Adds a struct inside this one.
  Struct nested(String field, Struct struct) {
    take(field, struct.byteSize);
    return this;
  }

  /// Adds words in a row, or text.
  Struct bytes(String field, long numBytes) {
    take(field, numBytes);
    return this;
  }

  private void take(String field, long numBytes) {
    fields.add(field);
    offsets.add(byteSize);
    byteSize += numBytes;
  }

  /// Where a field begins.
  long offset(String field) {
    int index = fields.indexOf(field);
    if (index < 0) {
      throw new AssertionError("no such field: struct=" + name + ", field=" + field);
    }
    return offsets.get(index);
  }

  String name() {
    return name;
  }

  List<String> fields() {
    return List.copyOf(fields);
  }

  long byteSize() {
    return byteSize;
  }
}
