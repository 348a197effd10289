package io.crossdock.core;

import java.lang.foreign.SegmentAllocator;

/// The memory an engine works on, and the way between it and the host.
///
/// On the host engine both are the same memory, and nothing is copied that need not be.
///
/// Confined to the thread that uses the buffer; copies are ordered on its current stream.
public interface EngineMemory {
  /// {@return where tensors of a call must lie}
  Device device();

  /// {@return an allocator on the device, a [DeviceAllocator] unless that is the host; memory lives
  /// as long as a tensor or segment of it is reachable}
  SegmentAllocator allocator();

  /// Brings a tensor to the device, with its shape and its strides: of a strided tensor the whole
  /// span is copied, gaps too. The host engine returns its argument.
  ///
  /// @param host a tensor on the host
  /// @return a tensor on the device
  Tensor toDevice(Tensor host);

  /// Brings a tensor to the host, after the work of the current stream so far. Shape and strides
  /// stay. The host engine returns its argument.
  ///
  /// @param tensor a tensor on the device or on the host
  /// @return a tensor on the host
  Tensor toHost(Tensor tensor);

  /// Copies elements, after the work of the current stream so far; gaps of strided tensors are left
  /// alone. Either tensor may lie on the host.
  ///
  /// @param from read
  /// @param to overwritten; same dtype and shape, strides of its own
  /// @throws InvalidInputException if dtypes or shapes differ
  void copy(Tensor from, Tensor to);
}
