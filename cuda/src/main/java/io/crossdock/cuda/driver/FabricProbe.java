package io.crossdock.cuda.driver;

import io.crossdock.ffi.NativeCallException;
import java.util.Optional;

/// Finds out whether memory of a GPU can have fabric handles. That the GPU and its driver know of
/// them is not enough: the process must be allowed to use an IMEX channel, and only an attempt
/// tells.
///
/// Safe for any thread.
public final class FabricProbe {
  private static final String NO_CHANNEL = ": no IMEX channel";

  private FabricProbe() {}

  /// Allocates the least memory, names it, and opens it by that name.
  ///
  /// @param context of the GPU
  /// @return why that cannot be done; empty if it can
  public static Optional<String> missing(Context context) {
    if (!context.gpu().supportsFabricHandles()) {
      return Optional.of("neither GPU nor driver has them");
    }
    try (PhysicalMemory made = PhysicalMemory.create(context, 1, HandleType.FABRIC);
        PhysicalMemory _ = PhysicalMemory.open(context, made.export(), made.byteSize())) {
      return Optional.empty();
    } catch (NativeCallException e) {
      return Optional.of(reason(e));
    }
  }

  /// The driver's name of the code, and what is known to be behind it.
  static String reason(NativeCallException failure) {
    String known = failure.code() == Driver.NOT_PERMITTED ? NO_CHANNEL : "";
    return failure.symbol() + ": " + Driver.name(failure.code()) + known;
  }
}
