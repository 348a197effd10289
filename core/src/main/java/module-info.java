/// Public API, routing reference, number formats, protocol state and SPI. No native code.
module io.crossdock.core {
  exports io.crossdock.core;
}
