package io.crossdock.cuda.driver;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.crossdock.ffi.NativeCallException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// Kernels of one image, loaded into a context.
///
/// Safe for any thread.
public final class KernelModule implements AutoCloseable {
  private static final int ERROR_LOG_BUFFER = 5;
  private static final int ERROR_LOG_BUFFER_BYTES = 6;
  private static final int LOG_BYTES = 16 * 1024;
  private static final int IMAGE_ALIGNMENT = 64;

  private final Context context;
  private final Handle handle;

  private KernelModule(Context context, Handle handle) {
    this.context = context;
    this.handle = handle;
  }

  /// Loads an image.
  ///
  /// @param context where
  /// @param image fatbin, cubin or PTX text that ends with a zero byte
  /// @return the module
  /// @throws NativeCallException if nothing in the image suits the GPU; has the compiler's log
  public static KernelModule load(Context context, byte[] image) {
    context.makeCurrent();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment bytes = arena.allocate(image.length, IMAGE_ALIGNMENT);
      MemorySegment.copy(MemorySegment.ofArray(image), 0, bytes, 0, image.length);
      MemorySegment log = arena.allocate(LOG_BYTES);
      MemorySegment options =
          arena.allocateFrom(JAVA_INT, ERROR_LOG_BUFFER, ERROR_LOG_BUFFER_BYTES);
      // The last byte stays zero.
      MemorySegment values = arena.allocateFrom(JAVA_LONG, log.address(), LOG_BYTES - 1);
      Scratch scratch = Scratch.get();
      int code =
          Driver.MODULE_LOAD.call(
              scratch.address(), bytes.address(), 2, options.address(), values.address());
      if (code != 0) {
        throw Driver.failure(Driver.MODULE_LOAD, code, "log=" + log.getString(0).strip());
      }
      return new KernelModule(context, new Handle(Owned.MODULE, scratch.word(0)));
    }
  }

  /// Finds a kernel and makes sure that it is on the GPU. One that is loaded at its first launch
  /// can wait for ever beside a kernel that waits for a peer, and `CUDA_MODULE_LOADING` is not
  /// heard when somebody else started the driver earlier.
  ///
  /// @param name as exported, `extern "C"`
  /// @return the kernel, valid until the module is closed
  public KernelFunction function(String name) {
    context.makeCurrent();
    try (Arena arena = Arena.ofConfined()) {
      Scratch scratch = Scratch.get();
      int code =
          Driver.MODULE_FUNCTION.call(
              scratch.address(), handle.value(), arena.allocateFrom(name).address());
      if (code != 0) {
        throw Driver.failure(Driver.MODULE_FUNCTION, code, "kernel=" + name);
      }
      KernelFunction function = new KernelFunction(context, name, scratch.word(0));
      int loaded = Driver.FUNCTION_LOAD.call(function.rawHandle());
      if (loaded != Symbol.MISSING) {
        Driver.FUNCTION_LOAD.check(loaded);
      }
      return function;
    }
  }

  /// Unloads the module; none of its kernels may run.
  @Override
  public void close() {
    if (handle.close()) {
      context.makeCurrent();
      Driver.checkRelease(Driver.MODULE_UNLOAD, Driver.MODULE_UNLOAD.call(handle.closedValue()));
    }
  }
}
