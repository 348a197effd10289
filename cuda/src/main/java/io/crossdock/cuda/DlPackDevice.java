package io.crossdock.cuda;

import io.crossdock.core.Device;
import io.crossdock.core.InvalidInputException;

/// A place of memory as DLPack writes it.
///
/// Safe for any thread.
///
/// @param type kind of device
/// @param id which one of them
record DlPackDevice(int type, int id) {
  private static final int CPU = 1;
  private static final int CUDA = 2;
  private static final int CUDA_HOST = 3;
  private static final int CUDA_MANAGED = 13;

  static DlPackDevice of(Device device) {
    return switch (device.kind()) {
      case HOST -> new DlPackDevice(CPU, 0);
      case CUDA -> new DlPackDevice(CUDA, device.index());
    };
  }

  Device device() {
    return switch (type) {
      case CPU, CUDA_HOST -> Device.HOST;
      case CUDA, CUDA_MANAGED -> Device.cuda(id);
      default ->
          throw new InvalidInputException(
              "DLPack device is not supported: deviceType="
                  + type
                  + ", deviceId="
                  + id
                  + ", supported=CPU (1), CUDA (2), CUDAHost (3), CUDAManaged (13)");
    };
  }
}
