// What benchmarks need beside communication: work that stands for attention and experts, and a clock.
#include "../include/args.cuh"
#include "../include/memory.cuh"
#include "../include/ptx.cuh"

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

// When it runs, in nanoseconds.
extern "C" __global__ void __launch_bounds__(1, 1) read_clock(const __grid_constant__ ClockArgs args) {
  *pointer<u64>(args.to) = global_timer();
}

}  // namespace crossdock
