package io.crossdock.cuda;

import io.crossdock.cuda.driver.ShareableMemory;
import java.util.HexFormat;

/// A rank's memory, as it tells its peers.
///
/// Safe for any thread.
///
/// @param address in the rank's process
/// @param byteSize that other processes map
/// @param handle names it to them, in hexadecimal digits; empty if there are none
record WindowOffer(long address, long byteSize, String handle) {
  /// Offers memory.
  static WindowOffer of(ShareableMemory memory, WindowKind kind) {
    String handle = kind == WindowKind.POINTER ? "" : memory.export().toString();
    return new WindowOffer(memory.address(), memory.byteSize(), handle);
  }

  /// Reads what [#encode] wrote.
  static WindowOffer decode(String text) {
    String[] fields = text.split(" ", -1);
    return new WindowOffer(Long.parseLong(fields[0]), Long.parseLong(fields[1]), fields[2]);
  }

  String encode() {
    return address + " " + byteSize + " " + handle;
  }

  byte[] handleBytes() {
    return HexFormat.of().parseHex(handle);
  }
}
