// BF16 rows to FP8 E4M3 with one scale for 128 channels: SPEC section 4.
#include <cuda_bf16.h>
#include <cuda_fp8.h>

#include "../include/memory.cuh"

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

// By one warp: one group.
__device__ inline void cast_group(const CastArgs& args, u64 token, u64 group) {
  const u64 channel = group * kGroupChannels + lane_idx() * kLaneChannels;
  const __nv_bfloat16* from = pointer<const __nv_bfloat16>(args.x + token * args.x_pitch) + channel;
  float values[kLaneChannels];
  float amax = 0.0f;
#pragma unroll
  for (u32 i = 0; i < kLaneChannels; i++) {
    values[i] = __bfloat162float(from[i]);
    amax = fmaxf(amax, fabsf(values[i]));
  }
  amax = fmaxf(warp_max(amax), kSmallestAmax);
  const float exact = __fdiv_rn(amax, kLargestCode);
  const float scale = args.scale_kind == kAmaxScale ? exact : power_of_two_above(exact);
  const float factor = __fdiv_rn(kLargestCode, amax);
  unsigned char* to = pointer<unsigned char>(args.codes + token * args.codes_pitch) + channel;
#pragma unroll
  for (u32 i = 0; i < kLaneChannels; i++) {
    const float scaled = args.scale_kind == kAmaxScale ? values[i] * factor : __fdiv_rn(values[i], scale);
    to[i] = to_code(scaled, values[i]);
  }
  if (lane_idx() == 0 && args.scale_kind == kUe8m0Scale) {
    pointer<unsigned char>(args.scales + token * args.scales_pitch)[group] =
        static_cast<unsigned char>(__float_as_uint(scale) >> kFractionBits);
  } else if (lane_idx() == 0) {
    pointer<float>(args.scales + token * args.scales_pitch)[group] = scale;
  }
}

// Bytes of the last packed word that no group fills are zero.
__device__ inline void clear_spare_bytes(const CastArgs& args, u64 token, u64 num_groups) {
  const u64 end = (num_groups + 3) / 4 * 4;
  if (args.scale_kind == kUe8m0Scale && num_groups + lane_idx() < end) {
    pointer<unsigned char>(args.scales + token * args.scales_pitch)[num_groups + lane_idx()] = 0;
  }
}

extern "C" __global__ void __launch_bounds__(256) cast_fp8(const __grid_constant__ CastArgs args) {
  const u64 num_groups = args.hidden / kGroupChannels;
  const u64 num_warps = grid_threads() / kWarpThreads;
  for (u64 i = grid_thread_idx() / kWarpThreads; i < args.num_tokens * num_groups; i += num_warps) {
    const u64 token = i / num_groups;
    cast_group(args, token, i - token * num_groups);
    if (i == token * num_groups) {
      clear_spare_bytes(args, token, num_groups);
    }
  }
}

}  // namespace crossdock
