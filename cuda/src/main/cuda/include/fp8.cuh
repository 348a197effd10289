// FP8 E4M3 codes and their scales: SPEC section 4.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp8.h>

#include "memory.cuh"

namespace crossdock {

constexpr u32 kGroupChannels = 128;
constexpr u32 kLaneChannels = kGroupChannels / kWarpThreads;
constexpr float kLargestCode = 448.0f;
constexpr float kSmallestAmax = 1e-4f;
constexpr u32 kExponentBias = 127;
constexpr u32 kFractionBits = 23;

// The lowest power of two that is not below the value: 2^ceil(log2(value)).
__device__ __forceinline__ float power_of_two_above(float value) {
  const u32 bits = __float_as_uint(value);
  const u32 fraction = bits & ((1u << kFractionBits) - 1);
  return __uint_as_float((bits - fraction) + (fraction != 0 ? 1u << kFractionBits : 0));
}

__device__ __forceinline__ float warp_max(float value) {
#pragma unroll
  for (u32 step = kWarpThreads / 2; step > 0; step /= 2) {
    value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, step));
  }
  return value;
}

// The code of a scaled channel. A NaN keeps the sign of the channel it comes from.
__device__ __forceinline__ unsigned char to_code(float scaled, float channel) {
  constexpr u32 kSignShift = 24;
  constexpr u32 kSignBit = 0x80;
  return __nv_cvt_float_to_fp8(scaled, __NV_SATFINITE, __NV_E4M3) |
         (__float_as_uint(channel) >> kSignShift & kSignBit);
}

__device__ __forceinline__ u32 exponent_of(float scale) {
  return __float_as_uint(scale) >> kFractionBits;
}

// Four scales as a word of exponents.
__device__ inline u32 ll_pack_exponents(const float* scales, u32 num_scales) {
  u32 word = 0;
  for (u32 i = 0; i < min(num_scales, 4u); i++) {
    word |= exponent_of(scales[i]) << (8 * i);
  }
  return word;
}

}  // namespace crossdock
