package io.crossdock.cli;

import io.crossdock.core.DeviceInfo;
import io.crossdock.core.InvalidInputException;
import java.util.List;

/// Whether ranks fit onto the devices they are spread over.
///
/// Safe for any thread.
final class DeviceFit {
  private DeviceFit() {}

  /// Ranks that share a GPU wait for each other, so all must run at once.
  ///
  /// @param devices that ranks are given in turn
  /// @param numRanks of the job
  /// @param numSms of a rank; 0 for the engine's choice, which fits
  /// @param rankBytes memory that a rank needs
  /// @throws InvalidInputException if they do not fit
  static void check(List<DeviceInfo> devices, int numRanks, int numSms, long rankBytes) {
    for (int index = 0; index < Math.min(devices.size(), numRanks); index++) {
      DeviceInfo device = devices.get(index);
      int ranks = (numRanks - index + devices.size() - 1) / devices.size();
      checkSms(device, ranks, numSms);
      long needed = ranks * rankBytes;
      if (needed > device.memoryBytes()) {
        throw new InvalidInputException(
            "windows do not fit into the GPU's memory: device="
                + device.device()
                + ", name="
                + device.name()
                + ", ranks="
                + ranks
                + ", neededBytes="
                + needed
                + ", memoryBytes="
                + device.memoryBytes()
                + ", remedy=fewer --tokens or --ranks");
      }
    }
  }

  private static void checkSms(DeviceInfo device, int ranks, int numSms) {
    long needed = (long) ranks * Math.max(1, numSms);
    if (needed > device.numSms()) {
      throw new InvalidInputException(
          "ranks do not run at once on the GPU: device="
              + device.device()
              + ", name="
              + device.name()
              + ", ranks="
              + ranks
              + ", smsOfRank="
              + Math.max(1, numSms)
              + ", needed="
              + needed
              + ", numSms="
              + device.numSms()
              + ", remedy=fewer --sms or --ranks");
    }
  }
}
