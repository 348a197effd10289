// BF16 rows to FP8 E4M3 with one scale for 128 channels: SPEC section 4.
#include "../include/fp8.cuh"

namespace crossdock {

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
