/// CUDA engine: NVIDIA GPUs through the driver alone.
module io.crossdock.cuda {
  requires io.crossdock.core;
  requires io.crossdock.ffi;
}
