/// CPU engine: shared-memory windows, Vector API kernels with scalar twins.
module io.crossdock.host {
  requires io.crossdock.core;
  requires io.crossdock.ffi;
}
