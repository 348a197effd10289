// LogFMT-10 rows, bit for bit as the Java classes LogFmt10, LogFmtGroup and Log2: every step is one float32
// operation that is rounded to nearest, and none is contracted with another.
#pragma once

#include <cuda_bf16.h>

#include "memory.cuh"

namespace crossdock {

constexpr u32 kLogChannels = 128;
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
static_assert(kLogChannels == 4 * kWarpThreads, "a lane has four channels of a whole group");

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
  const float rounded = __fadd_rn(l, kLogRound);
  const float n = __fsub_rn(rounded, kLogRound);
  const float r = __fsub_rn(l, n);
  float q = __fmaf_rn(0x1.5c08e6p-10f, r, 0x1.3d0c52p-7f);
  q = __fmaf_rn(q, r, 0x1.c6b6e4p-5f);
  q = __fmaf_rn(q, r, 0x1.ebf918p-3f);
  q = __fmaf_rn(q, r, 0x1.62e428p-1f);
  q = __fmaf_rn(q, r, 1.0f);
  const i32 whole = __float_as_int(rounded) - __float_as_int(kLogRound);
  const i32 raised = __float_as_int(q) + ((whole + kLogRaised) << kLogMantissaBits);
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

// None behind the last group.
__device__ __forceinline__ u32 log_channels_of(u64 hidden, u64 group) {
  const u64 first = min(group * kLogChannels, hidden);
  return static_cast<u32>(min(hidden - first, static_cast<u64>(kLogChannels)));
}

// Four channels of a lane. Of a whole group they lie together, so that words carry them. Of a group with
// fewer channels a lane has one of each quarter, whose pairs share a byte; 0 where there are none.
struct LogLane {
  u32 bits[4];
};

__device__ __forceinline__ uint2 log_load_whole(u64 channels, bool aligned) {
  const u64 from = channels + lane_idx() * sizeof(uint2);
  if (aligned) {
    return *pointer<const uint2>(from);
  }
  const unsigned short* halves = pointer<const unsigned short>(from);
  return {halves[0] | static_cast<u32>(halves[1]) << 16, halves[2] | static_cast<u32>(halves[3]) << 16};
}

__device__ __forceinline__ LogLane log_lane_of(uint2 words) {
  return {{words.x & 0xffff, words.x >> 16, words.y & 0xffff, words.y >> 16}};
}

__device__ __forceinline__ LogLane log_load_part(u64 channels, u32 num_channels) {
  LogLane lane;
#pragma unroll
  for (u32 i = 0; i < 4; i++) {
    const u32 at = lane_idx() + i * (num_channels / 4);
    lane.bits[i] = lane_idx() < num_channels / 4 ? pointer<const unsigned short>(channels)[at] : 0;
  }
  return lane;
}

// By one warp: the group that some channels make.
__device__ __forceinline__ LogGroup log_group_of(const LogLane& lane, u32 num_channels) {
  u32 smallest = 0xffff;
  u32 largest = 0;
#pragma unroll
  for (u32 i = 0; i < 4; i++) {
    const u32 magnitude = lane.bits[i] & kLogMagnitude;
    smallest = magnitude == 0 ? smallest : min(smallest, magnitude);
    largest = max(largest, magnitude);
  }
  smallest = __reduce_min_sync(kAllLanes, smallest);
  largest = __reduce_max_sync(kAllLanes, largest);
  const u32 amin = min(smallest, largest);
  const bool plain = largest >= kLogOne || widen_bf16(largest) > __fmul_rn(widen_bf16(amin), 0x1p32f);
  return {(plain ? largest | kLogPlain : largest) << 16 | amin, num_channels};
}

// What the codes of a group are made with.
struct LogScale {
  float lowest;
  float codes_per_octave;
};

__device__ __forceinline__ LogScale log_scale_of(const LogGroup& group) {
  const float octaves = group.octaves();
  return {log_2(group.amin()), octaves > 0.0f ? __fdiv_rn(kLogSteps, octaves) : 0.0f};
}

// Nine bits, 0 for zero.
__device__ __forceinline__ u32 log_code(u32 bits, const LogScale& scale) {
  const u32 magnitude = bits & kLogMagnitude;
  const float position =
      __fmul_rn(__fsub_rn(log_2(widen_bf16(magnitude)), scale.lowest), scale.codes_per_octave);
  const u32 code = __float_as_int(__fadd_rn(position, kLogRound)) - __float_as_int(kLogRound) + 1;
  return magnitude == 0 ? 0 : code;
}

// The sign of a channel above the highest bit of its code.
__device__ __forceinline__ u32 log_pair(u32 bits, u32 code) {
  return code >> 8 | (bits & 0x8000) >> 14;
}

// By one warp: writes the payload of a whole group, which lies on a multiple of 4 bytes.
__device__ __forceinline__ void log_encode_whole(const LogGroup& group, uint2 channels, const LogScale& scale,
                                                 u64 to) {
  u32* words = pointer<u32>(to);
  if (!group.is_coded()) {
    words[2 * lane_idx()] = channels.x;
    words[2 * lane_idx() + 1] = channels.y;
    return;
  }
  const LogLane lane = log_lane_of(channels);
  u32 codes = 0;
  u32 pairs = 0;
#pragma unroll
  for (u32 i = 0; i < 4; i++) {
    const u32 code = log_code(lane.bits[i], scale);
    codes |= (code & 0xff) << (8 * i);
    pairs |= log_pair(lane.bits[i], code) << (8 * i);
  }
  words[lane_idx()] = codes;
  // Lanes of the four quarters have the parts of a word of pairs.
  constexpr u32 kQuarterLanes = kWarpThreads / 4;
  pairs <<= 2 * (lane_idx() / kQuarterLanes);
  pairs |= __shfl_xor_sync(kAllLanes, pairs, kQuarterLanes);
  pairs |= __shfl_xor_sync(kAllLanes, pairs, 2 * kQuarterLanes);
  if (lane_idx() < kQuarterLanes) {
    words[kWarpThreads + lane_idx()] = pairs;
  }
}

// By one warp: writes the payload of a group that has fewer channels.
__device__ __noinline__ void log_encode_part(u64 channels, u64 header, u64 to, u32 num_channels) {
  const LogLane lane = log_load_part(channels, num_channels);
  const LogGroup group = log_group_of(lane, num_channels);
  const LogScale scale = log_scale_of(group);
  const u32 quarter = num_channels / 4;
  if (lane_idx() == 0) {
    *pointer<u32>(header) = group.header;
  }
  if (lane_idx() >= quarter) {
    return;
  }
  u32 pairs = 0;
  for (u32 i = 0; i < 4; i++) {
    const u32 at = lane_idx() + i * quarter;
    const u32 code = log_code(lane.bits[i], scale);
    pairs |= log_pair(lane.bits[i], code) << (2 * i);
    if (group.is_coded()) {
      pointer<unsigned char>(to)[at] = static_cast<unsigned char>(code);
    } else {
      pointer<unsigned short>(to)[at] = static_cast<unsigned short>(lane.bits[i]);
    }
  }
  if (group.is_coded()) {
    pointer<unsigned char>(to)[num_channels + lane_idx()] = static_cast<unsigned char>(pairs);
  }
}

// Some groups of a row, so that a warp has loads of several under way, and steps that do not depend on each
// other.
constexpr u32 kLogAhead = 4;

struct LogBatch {
  uint2 channels[kLogAhead];
};

__device__ __forceinline__ LogBatch log_load_batch(u64 row, u32 num_whole, u32 first, bool aligned) {
  LogBatch batch;
#pragma unroll
  for (u32 i = 0; i < kLogAhead; i++) {
    if (first + i < num_whole) {
      batch.channels[i] = log_load_whole(row + (first + i) * kLogChannels * sizeof(unsigned short), aligned);
    }
  }
  return batch;
}

// By one warp: writes the headers and payloads of some whole groups. Returns where the next payload begins.
__device__ __forceinline__ u64 log_encode_batch(const LogBatch& batch, u32 num_groups, u64 headers,
                                                u64 payload) {
  LogGroup groups[kLogAhead];
  LogGroup own = {0, kLogChannels};
#pragma unroll
  for (u32 i = 0; i < kLogAhead; i++) {
    groups[i] = log_group_of(log_lane_of(batch.channels[i]), kLogChannels);
    own = lane_idx() == i ? groups[i] : own;
  }
  if (lane_idx() < min(num_groups, kLogAhead)) {
    pointer<u32>(headers)[lane_idx()] = own.header;
  }
  // Each lane makes the scale of one group.
  const LogScale scale = log_scale_of(own);
#pragma unroll
  for (u32 i = 0; i < kLogAhead; i++) {
    const LogScale of_group = {__shfl_sync(kAllLanes, scale.lowest, i),
                               __shfl_sync(kAllLanes, scale.codes_per_octave, i)};
    if (i < num_groups) {
      log_encode_whole(groups[i], batch.channels[i], of_group, payload);
      payload += groups[i].payload_bytes();
    }
  }
  return payload;
}

// By one warp: encodes a row.
__device__ __forceinline__ void log_encode_row(u64 from, u64 to, u64 hidden) {
  const u32 num_whole = static_cast<u32>(hidden / kLogChannels);
  const bool aligned = is_aligned(from, sizeof(uint2));
  u64 payload = to + log_header_bytes(hidden);
  LogBatch batch = log_load_batch(from, num_whole, 0, aligned);
  for (u32 first = 0; first < num_whole; first += kLogAhead) {
    const LogBatch next = log_load_batch(from, num_whole, first + kLogAhead, aligned);
    payload = log_encode_batch(batch, num_whole - first, to + first * sizeof(u32), payload);
    batch = next;
  }
  if (num_whole * kLogChannels != hidden) {
    log_encode_part(from + num_whole * kLogChannels * sizeof(unsigned short), to + num_whole * sizeof(u32),
                    payload, static_cast<u32>(hidden) - num_whole * kLogChannels);
  }
}

// What a lane knows of a group that its warp decodes.
struct LogView {
  u32 header;
  u32 offset;  // of its payload in the row
  float lowest;
  float step;
  u32 num_channels;
};

// By one warp, kLogAhead lanes for each row, 0 for none: looks at the groups from `first` on.
__device__ inline LogView log_view(u64 row, u64 hidden, u32 first) {
  const u32 sub = lane_idx() % kLogAhead;
  u32 before = 0;
#pragma unroll 4
  for (u32 i = sub; row != 0 && i < first; i += kLogAhead) {
    before += LogGroup{pointer<const u32>(row)[i], kLogChannels}.payload_bytes();
  }
  const u32 num_channels = log_channels_of(hidden, first + sub);
  const bool valid = row != 0 && num_channels != 0;
  const LogGroup group = {valid ? pointer<const u32>(row)[first + sub] : 0, num_channels};
  const u32 own = valid ? group.payload_bytes() : 0;
  u32 through = own;
#pragma unroll
  for (u32 step = 1; step < kLogAhead; step *= 2) {
    before += __shfl_xor_sync(kAllLanes, before, step);
    const u32 below = __shfl_up_sync(kAllLanes, through, step, kLogAhead);
    through += sub >= step ? below : 0;
  }
  return {group.header, static_cast<u32>(log_header_bytes(hidden)) + before + through - own,
          log_2(group.amin()), __fdiv_rn(group.octaves(), kLogSteps), num_channels};
}

// What a lane has of a whole group: codes and pairs, or the channels.
struct LogWords {
  u32 first;
  u32 second;
};

__device__ __forceinline__ LogWords log_load_words(u32 header, u64 from) {
  const u32* words = pointer<const u32>(from);
  const bool coded = static_cast<i32>(header) >= 0;
  const u32 first = coded ? lane_idx() : 2 * lane_idx();
  const u32 second = coded ? kWarpThreads + lane_idx() % (kWarpThreads / 4) : first + 1;
  return {words[first], words[second]};
}

// The value of a code and its pair. `lowest` and `step` are those of the group.
__device__ __forceinline__ float log_decode(const LogGroup& group, u32 low_bits, u32 pair, float lowest,
                                            float step) {
  const u32 code = (pair & 1) << 8 | low_bits;
  const float power = exp_2(__fmaf_rn(static_cast<float>(static_cast<i32>(code) - 1), step, lowest));
  const float magnitude = code == 0 ? 0.0f : fmaxf(group.amin(), fminf(power, group.amax()));
  return (pair & 2) == 0 ? magnitude : -magnitude;
}

// By a warp, of whose groups this lane has words: the values of its channels.
__device__ __forceinline__ void log_decode_words(const LogGroup& group, const LogWords& words, float lowest,
                                                 float step, float values[4]) {
  if (!group.is_coded()) {
    values[0] = widen_bf16(words.first & 0xffff);
    values[1] = widen_bf16(words.first >> 16);
    values[2] = widen_bf16(words.second & 0xffff);
    values[3] = widen_bf16(words.second >> 16);
    return;
  }
  const u32 pairs = words.second >> (2 * (lane_idx() / (kWarpThreads / 4)));
#pragma unroll
  for (u32 i = 0; i < 4; i++) {
    values[i] = log_decode(group, words.first >> (8 * i) & 0xff, pairs >> (8 * i) & 3, lowest, step);
  }
}

// By a warp: the values of a lane's channels of a group that has fewer.
__device__ inline void log_decode_part(const LogGroup& group, u64 from, float lowest, float step,
                                       float values[4]) {
  const u32 quarter = group.num_channels / 4;
  for (u32 i = 0; i < 4; i++) {
    const u32 at = lane_idx() + i * quarter;
    values[i] = 0.0f;
    if (lane_idx() < quarter && group.is_coded()) {
      const u32 pair = pointer<const unsigned char>(from)[group.num_channels + lane_idx()] >> (2 * i) & 3;
      values[i] = log_decode(group, pointer<const unsigned char>(from)[at], pair, lowest, step);
    } else if (lane_idx() < quarter) {
      values[i] = widen_bf16(pointer<const unsigned short>(from)[at]);
    }
  }
}

}  // namespace crossdock
