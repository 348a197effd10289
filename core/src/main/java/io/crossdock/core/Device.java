package io.crossdock.core;

import java.util.Objects;

/// Where memory lies.
///
/// Safe for any thread.
///
/// @param kind host or GPU
/// @param index of the GPU, as the driver counts them; 0 on the host
public record Device(Kind kind, int index) {

  /// Kinds of memory.
  ///
  /// Safe for any thread.
  public enum Kind {
    /// Memory of the machine.
    HOST,
    /// Memory of a CUDA GPU.
    CUDA
  }

  /// Memory of the machine.
  public static final Device HOST = new Device(Kind.HOST, 0);

  /// Checks that the index fits the kind.
  public Device {
    Objects.requireNonNull(kind, "kind");
    if (index < 0 || (kind == Kind.HOST && index != 0)) {
      throw new InvalidInputException(
          "device index is out of range: kind=" + kind + ", index=" + index);
    }
  }

  /// Memory of a GPU.
  ///
  /// @param index as the driver counts
  /// @return the device
  public static Device cuda(int index) {
    return new Device(Kind.CUDA, index);
  }

  /// {@return `host` or `cuda:0`}
  @Override
  public String toString() {
    return kind == Kind.HOST ? "host" : "cuda:" + index;
  }
}
