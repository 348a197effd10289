package io.crossdock.cuda;

import static java.lang.foreign.MemoryLayout.PathElement.groupElement;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import io.crossdock.ffi.ReleaseFunction;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.util.concurrent.atomic.AtomicInteger;

/// A library that makes tensors: its structs are written from the layouts of the JDK, not from
/// those under test.
final class FakeProducer {
  static final StructLayout TENSOR =
      MemoryLayout.structLayout(
          JAVA_LONG.withName("data"),
          JAVA_INT.withName("device_type"),
          JAVA_INT.withName("device_id"),
          JAVA_INT.withName("ndim"),
          JAVA_BYTE.withName("code"),
          JAVA_BYTE.withName("bits"),
          JAVA_SHORT.withName("lanes"),
          JAVA_LONG.withName("shape"),
          JAVA_LONG.withName("strides"),
          JAVA_LONG.withName("byte_offset"));
  static final StructLayout PLAIN =
      MemoryLayout.structLayout(
          TENSOR.withName("dl_tensor"),
          JAVA_LONG.withName("manager_ctx"),
          JAVA_LONG.withName("deleter"));
  static final StructLayout VERSIONED =
      MemoryLayout.structLayout(
          JAVA_INT.withName("major"),
          JAVA_INT.withName("minor"),
          JAVA_LONG.withName("manager_ctx"),
          JAVA_LONG.withName("deleter"),
          JAVA_LONG.withName("flags"),
          TENSOR.withName("dl_tensor"));

  private static final AtomicInteger DELETED = new AtomicInteger();
  private static final AtomicInteger FOREIGN = new AtomicInteger();
  private static volatile long last;
  private static final long DELETER = ReleaseFunction.of(FakeProducer::delete);

  private final StructLayout layout;
  private final Arena arena;
  private final MemorySegment struct;

  private FakeProducer(Arena arena, StructLayout layout) {
    this.layout = layout;
    this.arena = arena;
    this.struct = arena.allocate(layout);
  }

  /// A CPU tensor of float32 without strides.
  static FakeProducer floats(Arena arena, StructLayout layout, MemorySegment data, long... shape) {
    FakeProducer made = new FakeProducer(arena, layout);
    DELETED.set(0);
    FOREIGN.set(0);
    last = made.struct.address();
    made.head("deleter", DELETER);
    if (layout.equals(VERSIONED)) {
      made.set("major", 1);
    }
    return made.body("data", data.address())
        .set("device_type", 1)
        .type(2, 32, 1)
        .set("ndim", shape.length)
        .body("shape", words(arena, shape));
  }

  private static void delete(long address) {
    (address == last ? DELETED : FOREIGN).incrementAndGet();
  }

  /// Calls of the deleter for the last struct made.
  static int numDeleted() {
    if (FOREIGN.get() != 0) {
      throw new AssertionError("the deleter was called for another address");
    }
    return DELETED.get();
  }

  long address() {
    return struct.address();
  }

  FakeProducer type(int code, int bits, int lanes) {
    struct.set(JAVA_BYTE, offset("code"), (byte) code);
    struct.set(JAVA_BYTE, offset("bits"), (byte) bits);
    struct.set(JAVA_SHORT, offset("lanes"), (short) lanes);
    return this;
  }

  FakeProducer strides(long... strides) {
    return body("strides", words(arena, strides));
  }

  FakeProducer shape(long... shape) {
    return set("ndim", shape.length).body("shape", words(arena, shape));
  }

  FakeProducer set(String field, int value) {
    struct.set(JAVA_INT, offset(field), value);
    return this;
  }

  FakeProducer body(String field, long value) {
    struct.set(JAVA_LONG, offset(field), value);
    return this;
  }

  FakeProducer head(String field, long value) {
    return body(field, value);
  }

  private long offset(String field) {
    return offset(layout, field);
  }

  static long offset(StructLayout layout, String field) {
    PathElement name = groupElement(field);
    boolean ofTensor = TENSOR.memberLayouts().stream().anyMatch(m -> m.name().get().equals(field));
    return ofTensor ? layout.byteOffset(groupElement("dl_tensor"), name) : layout.byteOffset(name);
  }

  private static long words(Arena arena, long... values) {
    return values.length == 0 ? 0 : arena.allocateFrom(JAVA_LONG, values).address();
  }
}
