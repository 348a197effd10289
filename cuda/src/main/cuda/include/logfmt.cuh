// LogFMT-10 rows, bit for bit as the Java classes LogFmt10, LogFmtGroup and Log2: every step is one float32
// operation that is rounded to nearest, and none is contracted with another.
#pragma once

#include <cuda_bf16.h>

#include "memory.cuh"

namespace crossdock {

constexpr u32 kLogChannels = 128;
constexpr u32 kLogQuarter = kLogChannels / 4;  // channels that share a byte of pairs lie so far apart
constexpr float kLogSteps = 510.0f;
constexpr u32 kLogMagnitude = 0x7fff;
constexpr u32 kLogOne = 0x3f80;
constexpr u32 kLogPlain = 0x8000;
constexpr float kLogRaise = 0x1p64f;
constexpr i32 kLogRaised = 64;
constexpr float kLogRound = 0x1.8p23f;
constexpr i32 kLogRootBits = 0x3f3504f3;
constexpr i32 kLogMantissa = 0x7fffff;
constexpr i32 kLogMantissaBits = 23;
static_assert(kLogQuarter == kWarpThreads, "a lane has the channels that share a byte of pairs");

// x is positive and at most 1.
__device__ __forceinline__ float log_2(float x) {
  const i32 bits = __float_as_int(__fmul_rn(x, kLogRaise)) - kLogRootBits;
  const float exponent = static_cast<float>((bits >> kLogMantissaBits) - kLogRaised);
  const float f = __fsub_rn(__int_as_float((bits & kLogMantissa) + kLogRootBits), 1.0f);
  float p = __fmaf_rn(0x1.5f7cb2p-3f, f, -0x1.13c8aep-2f);
  p = __fmaf_rn(p, f, 0x1.2ecbdap-2f);
  p = __fmaf_rn(p, f, -0x1.6fff1ep-2f);
  p = __fmaf_rn(p, f, 0x1.ec296cp-2f);
  p = __fmaf_rn(p, f, -0x1.715692p-1f);
  p = __fmaf_rn(p, f, 0x1.71548ep0f);
  return __fmaf_rn(f, p, exponent);
}

// l is from -150 to 0.
__device__ __forceinline__ float exp_2(float l) {
  const float n = __fsub_rn(__fadd_rn(l, kLogRound), kLogRound);
  const float r = __fsub_rn(l, n);
  float q = __fmaf_rn(0x1.5c08e6p-10f, r, 0x1.3d0c52p-7f);
  q = __fmaf_rn(q, r, 0x1.c6b6e4p-5f);
  q = __fmaf_rn(q, r, 0x1.ebf918p-3f);
  q = __fmaf_rn(q, r, 0x1.62e428p-1f);
  q = __fmaf_rn(q, r, 1.0f);
  const i32 raised = __float_as_int(q) + ((static_cast<i32>(n) + kLogRaised) << kLogMantissaBits);
  return __fmul_rn(__int_as_float(raised), 0x1p-64f);
}

__device__ __forceinline__ float widen_bf16(u32 bits) {
  return __uint_as_float(bits << 16);
}

// The header of a group, amin in its low half and amax in its high half, and the number of its channels.
struct LogGroup {
  u32 header;
  u32 num_channels;

  __device__ __forceinline__ bool is_coded() const { return static_cast<i32>(header) >= 0; }
  __device__ __forceinline__ u32 payload_bytes() const {
    return is_coded() ? num_channels + num_channels / 4 : 2 * num_channels;
  }
  __device__ __forceinline__ float amin() const { return widen_bf16(header & kLogMagnitude); }
  __device__ __forceinline__ float amax() const { return widen_bf16(header >> 16 & kLogMagnitude); }
  __device__ __forceinline__ float octaves() const { return __fsub_rn(log_2(amax()), log_2(amin())); }
};

__device__ __forceinline__ u64 log_num_groups(u64 hidden) {
  return (hidden + kLogChannels - 1) / kLogChannels;
}

__device__ __forceinline__ u64 log_header_bytes(u64 hidden) {
  return log_num_groups(hidden) * sizeof(u32);
}

__device__ __forceinline__ u64 log_max_row_bytes(u64 hidden) {
  return log_header_bytes(hidden) + 2 * hidden;
}

__device__ __forceinline__ u32 log_channels_of(u64 hidden, u64 group) {
  return static_cast<u32>(min(hidden - group * kLogChannels, static_cast<u64>(kLogChannels)));
}

// The channels of a lane: one of each quarter of the group; 0 where the group has fewer.
struct LogLane {
  u32 bits[4];
};

__device__ __forceinline__ LogLane log_load(u64 channels, u32 num_channels) {
  LogLane lane;
#pragma unroll
  for (u32 part = 0; part < 4; part++) {
    const u32 i = lane_idx() + part * (num_channels / 4);
    lane.bits[part] = lane_idx() < num_channels / 4 ? pointer<const unsigned short>(channels)[i] : 0;
  }
  return lane;
}

// By one warp: the group that some channels make.
__device__ __forceinline__ LogGroup log_group_of(const LogLane& lane, u32 num_channels) {
  u32 smallest = 0xffff;
  u32 largest = 0;
#pragma unroll
  for (u32 part = 0; part < 4; part++) {
    const u32 magnitude = lane.bits[part] & kLogMagnitude;
    smallest = magnitude == 0 ? smallest : min(smallest, magnitude);
    largest = max(largest, magnitude);
  }
  smallest = __reduce_min_sync(kAllLanes, smallest);
  largest = __reduce_max_sync(kAllLanes, largest);
  const u32 amin = min(smallest, largest);
  const bool plain = largest >= kLogOne || widen_bf16(largest) > __fmul_rn(widen_bf16(amin), 0x1p32f);
  return {(plain ? largest | kLogPlain : largest) << 16 | amin, num_channels};
}

__device__ __forceinline__ u32 log_code(float magnitude, float lowest, float codes_per_octave) {
  if (magnitude == 0.0f) {
    return 0;
  }
  const float position = __fmul_rn(__fsub_rn(log_2(magnitude), lowest), codes_per_octave);
  return __float_as_int(__fadd_rn(position, kLogRound)) - __float_as_int(kLogRound) + 1;
}

// By one warp: writes the payload of a group.
__device__ inline void log_encode_group(const LogGroup& group, const LogLane& lane, u64 to) {
  const u32 quarter = group.num_channels / 4;
  if (lane_idx() >= quarter) {
    return;
  }
  if (!group.is_coded()) {
#pragma unroll
    for (u32 part = 0; part < 4; part++) {
      pointer<unsigned short>(to)[lane_idx() + part * quarter] = static_cast<unsigned short>(lane.bits[part]);
    }
    return;
  }
  const float lowest = log_2(group.amin());
  const float octaves = group.octaves();
  const float codes_per_octave = octaves > 0.0f ? __fdiv_rn(kLogSteps, octaves) : 0.0f;
  u32 pairs = 0;
#pragma unroll
  for (u32 part = 0; part < 4; part++) {
    const u32 code = log_code(widen_bf16(lane.bits[part] & kLogMagnitude), lowest, codes_per_octave);
    pointer<unsigned char>(to)[lane_idx() + part * quarter] = static_cast<unsigned char>(code);
    pairs |= (code >> 8 | (lane.bits[part] & 0x8000) >> 14) << (2 * part);
  }
  pointer<unsigned char>(to)[group.num_channels + lane_idx()] = static_cast<unsigned char>(pairs);
}

// By one warp: encodes a row.
__device__ inline void log_encode_row(u64 from, u64 to, u64 hidden) {
  u64 payload = to + log_header_bytes(hidden);
  for (u64 i = 0; i < log_num_groups(hidden); i++) {
    const u32 num_channels = log_channels_of(hidden, i);
    const LogLane lane = log_load(from + i * kLogChannels * sizeof(unsigned short), num_channels);
    const LogGroup group = log_group_of(lane, num_channels);
    if (lane_idx() == 0) {
      pointer<u32>(to)[i] = group.header;
    }
    log_encode_group(group, lane, payload);
    payload += group.payload_bytes();
  }
}

// By one warp: where the payload of a group begins in an encoded row.
__device__ inline u64 log_payload(u64 row, u64 hidden, u64 group) {
  u32 before = 0;
  for (u64 i = lane_idx(); i < group; i += kWarpThreads) {
    const LogGroup other = {pointer<const u32>(row)[i], log_channels_of(hidden, i)};
    before += other.payload_bytes();
  }
  return row + log_header_bytes(hidden) + __reduce_add_sync(kAllLanes, before);
}

// By one warp: decodes a group; a lane gets the channels that it would encode.
__device__ inline void log_decode_group(const LogGroup& group, u64 from, float* values) {
  const u32 quarter = group.num_channels / 4;
  const bool here = lane_idx() < quarter;
  const u32 pairs =
      here && group.is_coded() ? pointer<const unsigned char>(from)[group.num_channels + lane_idx()] : 0;
  const float amin = group.amin();
  const float lowest = log_2(amin);
  const float step = __fdiv_rn(group.octaves(), kLogSteps);
#pragma unroll
  for (u32 part = 0; part < 4; part++) {
    const u32 i = lane_idx() + part * quarter;
    values[part] = 0.0f;
    if (here && !group.is_coded()) {
      values[part] = widen_bf16(pointer<const unsigned short>(from)[i]);
    } else if (here) {
      const u32 pair = pairs >> (2 * part) & 3;
      const u32 code = (pair & 1) << 8 | pointer<const unsigned char>(from)[i];
      const float power = exp_2(__fmaf_rn(static_cast<float>(static_cast<i32>(code) - 1), step, lowest));
      const float magnitude = code == 0 ? 0.0f : fmaxf(amin, fminf(power, group.amax()));
      values[part] = (pair & 2) == 0 ? magnitude : -magnitude;
    }
  }
}

}  // namespace crossdock
