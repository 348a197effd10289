package io.crossdock.cuda.driver;

import static java.lang.foreign.MemoryLayout.PathElement.groupElement;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;

/// The structs that describe physical memory to the driver, with the fields of `cuda.h` in its
/// order; a test compares them.
///
/// Safe for any thread.
final class AllocationStructs {
  static final int ALLOCATION_PINNED = 1;
  static final int LOCATION_DEVICE = 1;
  static final int ACCESS_READ_WRITE = 3;
  static final int GRANULARITY_MINIMUM = 0;

  static final StructLayout LOCATION =
      MemoryLayout.structLayout(JAVA_INT.withName("type"), JAVA_INT.withName("id"));

  static final StructLayout PROPERTIES =
      MemoryLayout.structLayout(
          JAVA_INT.withName("type"),
          JAVA_INT.withName("requestedHandleTypes"),
          LOCATION.withName("location"),
          JAVA_LONG.withName("win32HandleMetaData"),
          MemoryLayout.structLayout(
                  JAVA_BYTE.withName("compressionType"),
                  JAVA_BYTE.withName("gpuDirectRDMACapable"),
                  JAVA_SHORT.withName("usage"),
                  MemoryLayout.sequenceLayout(4, JAVA_BYTE).withName("reserved"))
              .withName("allocFlags"));

  static final StructLayout ACCESS =
      MemoryLayout.structLayout(LOCATION.withName("location"), JAVA_INT.withName("flags"));

  private AllocationStructs() {}

  /// Writes the properties of memory of a GPU.
  ///
  /// @param to where, at least as long as the struct
  /// @param ordinal of the GPU
  /// @return the struct's part of it
  static MemorySegment properties(MemorySegment to, int ordinal, HandleType handleType) {
    MemorySegment struct = to.asSlice(0, PROPERTIES.byteSize()).fill((byte) 0);
    put(struct, PROPERTIES, ALLOCATION_PINNED, "type");
    put(struct, PROPERTIES, handleType.code(), "requestedHandleTypes");
    put(struct, PROPERTIES, LOCATION_DEVICE, "location", "type");
    put(struct, PROPERTIES, ordinal, "location", "id");
    return struct;
  }

  /// Writes that a GPU may read and write.
  ///
  /// @param to where, at least as long as the struct
  /// @param ordinal of the GPU
  /// @return the struct's part of it
  static MemorySegment access(MemorySegment to, int ordinal) {
    MemorySegment struct = to.asSlice(0, ACCESS.byteSize()).fill((byte) 0);
    put(struct, ACCESS, LOCATION_DEVICE, "location", "type");
    put(struct, ACCESS, ordinal, "location", "id");
    put(struct, ACCESS, ACCESS_READ_WRITE, "flags");
    return struct;
  }

  private static void put(MemorySegment struct, StructLayout layout, int value, String... path) {
    MemoryLayout.PathElement[] elements = new MemoryLayout.PathElement[path.length];
    for (int i = 0; i < path.length; i++) {
      elements[i] = groupElement(path[i]);
    }
    struct.set(JAVA_INT, layout.byteOffset(elements), value);
  }
}
