// What stands for attention and experts where only communication is measured.
#include "../include/args.cuh"
#include "../include/memory.cuh"

namespace crossdock {

constexpr u32 kBusyThreads = 1024;
constexpr u32 kFmasOfStep = 64;

// Multiply-adds and no memory. Two blocks fill a multiprocessor, so one that is held by another kernel
// shows in the time.
extern "C" __global__ void __launch_bounds__(kBusyThreads, 2)
    busy_work(const __grid_constant__ BusyArgs args) {
  float value = static_cast<float>(threadIdx.x);
  for (u64 step = 0; step < args.num_steps; step++) {
#pragma unroll
    for (u32 i = 0; i < kFmasOfStep; i++) {
      value = __fmaf_rn(value, 0.999f, 1.0f);
    }
  }
  // Never so, but the compiler cannot know and keeps the arithmetic.
  if (value < 0.0f) {
    *pointer<float>(args.sink) = value;
  }
}

}  // namespace crossdock
