package io.crossdock.core;

import java.lang.foreign.SegmentAllocator;

/// An allocator whose memory lies on a device. Its segments have no length: their address is the
/// device's, and touching one from Java throws.
///
/// Thread rules are those of the implementation.
public interface DeviceAllocator extends SegmentAllocator {
  /// {@return where the memory lies}
  Device device();

  /// {@return where the memory of any allocator lies: the host unless it says otherwise}
  ///
  /// @param allocator an allocator
  static Device deviceOf(SegmentAllocator allocator) {
    return allocator instanceof DeviceAllocator known ? known.device() : Device.HOST;
  }
}
