/// CUDA engine: NVIDIA GPUs through the driver alone.
module io.crossdock.cuda {
  requires transitive io.crossdock.core;
  requires io.crossdock.ffi;

  exports io.crossdock.cuda;
}
