/// CPU engine: shared-memory windows, Vector API kernels with scalar twins.
module io.crossdock.host {
  requires io.crossdock.core;
  requires io.crossdock.ffi;
  requires static jdk.incubator.vector;

  provides io.crossdock.core.spi.EngineProvider with
      io.crossdock.host.HostEngineProvider;
}
