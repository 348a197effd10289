package io.crossdock.cuda;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import io.crossdock.core.InvalidInputException;
import io.crossdock.core.Tensor;
import io.crossdock.ffi.ReleaseFunction;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/// Tensors that other libraries have. Each keeps its struct and its memory reachable until the
/// consumer calls the deleter, which is one function for all.
///
/// ```
/// struct | shape | strides
/// ```
///
/// Safe for any thread.
final class DlPackExport {
  private static final int MINOR = 1;
  private static final Map<Long, Given> GIVEN = new ConcurrentHashMap<>();
  private static final long DELETER = ReleaseFunction.of(DlPackExport::release);

  /// What must stay reachable, and whom to tell.
  private record Given(MemorySegment struct, Tensor tensor, Runnable onRelease) {}

  private DlPackExport() {}

  static long give(Tensor tensor, DlPackLayout layout, Runnable onRelease) {
    check(tensor, layout);
    long shape = layout.byteSize();
    long strides = shape + (long) tensor.numDims() * Long.BYTES;
    long byteSize = strides + (long) tensor.numDims() * Long.BYTES;
    MemorySegment struct = Arena.ofAuto().allocate(byteSize, Long.BYTES);
    for (int i = 0; i < tensor.numDims(); i++) {
      struct.set(JAVA_LONG, shape + (long) i * Long.BYTES, tensor.size(i));
      struct.set(JAVA_LONG, strides + (long) i * Long.BYTES, tensor.stride(i));
    }
    struct.set(JAVA_LONG, layout.body().shape(), struct.address() + shape);
    struct.set(JAVA_LONG, layout.body().strides(), struct.address() + strides);
    writeHead(struct, tensor, layout);
    writeBody(struct, tensor, layout.body());
    GIVEN.put(struct.address(), new Given(struct, tensor, onRelease));
    return struct.address();
  }

  private static void check(Tensor tensor, DlPackLayout layout) {
    if (!tensor.segment().isNative()) {
      throw new InvalidInputException(
          "a tensor of the Java heap cannot be given: " + tensor + ", remedy=allocate natively");
    }
    if (tensor.segment().isReadOnly() && !layout.isVersioned()) {
      throw new InvalidInputException(
          "a tensor that may only be read needs a version to say so: "
              + tensor
              + ", remedy=giveVersioned");
    }
  }

  private static void writeHead(MemorySegment struct, Tensor tensor, DlPackLayout layout) {
    struct.set(JAVA_LONG, layout.head().deleter(), DELETER);
    if (layout.isVersioned()) {
      struct.set(JAVA_INT, layout.head().major(), DlPackImport.MAJOR);
      struct.set(JAVA_INT, layout.head().minor(), MINOR);
      long flags = tensor.segment().isReadOnly() ? DlPackImport.FLAG_READ_ONLY : 0;
      struct.set(JAVA_LONG, layout.head().flags(), flags);
    }
  }

  private static void writeBody(MemorySegment struct, Tensor tensor, DlPackLayout.Body body) {
    DlPackDevice device = DlPackDevice.of(tensor.device());
    DlPackType type = DlPackType.of(tensor.dtype());
    struct.set(JAVA_LONG, body.data(), tensor.numElements() == 0 ? 0 : tensor.segment().address());
    struct.set(JAVA_INT, body.deviceType(), device.type());
    struct.set(JAVA_INT, body.deviceId(), device.id());
    struct.set(JAVA_INT, body.numDims(), tensor.numDims());
    struct.set(JAVA_BYTE, body.code(), (byte) type.code());
    struct.set(JAVA_BYTE, body.bits(), (byte) type.bits());
    struct.set(JAVA_SHORT, body.lanes(), (short) type.lanes());
    struct.set(JAVA_LONG, body.byteOffset(), 0);
  }

  /// The deleter. A second call for the same tensor finds nothing and does nothing.
  private static void release(long address) {
    Given given = GIVEN.remove(address);
    if (given != null) {
      given.onRelease.run();
    }
  }

  /// Tensors that consumers have not given back.
  static int numGiven() {
    return GIVEN.size();
  }
}
