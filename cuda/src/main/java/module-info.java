/// CUDA engine: NVIDIA GPUs through the driver alone.
module io.crossdock.cuda {
  requires io.crossdock.ffi;
  requires transitive io.crossdock.core;

  exports io.crossdock.cuda;

  provides io.crossdock.core.spi.EngineProvider with
      io.crossdock.cuda.CudaEngineProvider;
}
