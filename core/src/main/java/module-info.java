/// Public API, routing reference, number formats, protocol state and SPI. No native code.
// Qualified exports name modules that are built after this one.
@SuppressWarnings("module")
module io.crossdock.core {
  requires jdk.jfr;

  exports io.crossdock.core;
  exports io.crossdock.core.format;
  exports io.crossdock.core.group;
  exports io.crossdock.core.protocol to
      io.crossdock.cuda,
      io.crossdock.host;
  exports io.crossdock.core.routing;
  exports io.crossdock.core.spi to
      io.crossdock.cuda,
      io.crossdock.host,
      io.crossdock.ucx;
  exports io.crossdock.core.watch to
      io.crossdock.cli,
      io.crossdock.host;

  uses io.crossdock.core.spi.EngineProvider;
  uses io.crossdock.core.spi.TransportProvider;
}
