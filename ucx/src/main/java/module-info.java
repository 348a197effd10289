/// Transport between nodes: UCX, through bindings of our own.
module io.crossdock.ucx {
  requires io.crossdock.core;
  requires io.crossdock.ffi;

  provides io.crossdock.core.spi.TransportProvider with
      io.crossdock.ucx.UcxTransportProvider;
}
