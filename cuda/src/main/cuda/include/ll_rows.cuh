// How a low-latency dispatch sends rows: a block casts pieces of rows into stages in shared memory, then
// one bulk store takes a piece to each of its destinations.
#pragma once

#include "fp8.cuh"
#include "ll_plan.cuh"

namespace crossdock {

constexpr u32 kWordChannels = 8;  // BF16 of a 16-byte word
constexpr u32 kGroupLanes = kGroupChannels / kWordChannels;
constexpr u32 kCastAhead = 4;     // groups that half a warp loads at a time
constexpr u32 kCopyAhead = 8;     // words that a thread loads at a time
constexpr u32 kStageHalves = 2;   // one is cast while the other is read by its stores
constexpr u32 kMaxTargets = 512;  // of a half
constexpr u32 kSumLanes = 8;      // that add up the rows before a selection

// Where a piece goes at one destination; 0 for nowhere.
struct LlTarget {
  u64 row;
  u64 scales;
};

// Shared memory: | plan | targets | stages of each half |
struct LlSendMemory {
  u32* plan;
  LlTarget* targets;
  char* stages;
};

__device__ inline LlSendMemory ll_send_memory() {
  extern __shared__ __align__(128) char send_memory[];
  LlTarget* targets = reinterpret_cast<LlTarget*>(send_memory + kPlanWords * sizeof(u32));
  return {reinterpret_cast<u32*>(send_memory), targets, reinterpret_cast<char*>(targets + kMaxTargets)};
}

// The shape of a stage: | piece of a row | its scales |
struct LlStage {
  u32 row_bytes;
  u32 num_groups;
  u32 pitch_bytes;
};

__device__ __forceinline__ LlStage ll_stage_of(const LlCall& call, const LlRows& rows) {
  const u32 channels = static_cast<u32>(rows.piece_channels);
  if (!is_fp8(call.terms)) {
    const u32 bytes = channels * static_cast<u32>(sizeof(__nv_bfloat16));
    return {bytes, 0, bytes};
  }
  const u32 groups = channels / kGroupChannels;
  return {channels, groups, (channels + groups * static_cast<u32>(sizeof(float)) + 15) / 16 * 16};
}

// Some pieces of a block: those of one half of the stages.
struct LlBatch {
  u64 first;  // among the block's pieces
  u32 num_pieces;
  char* stages;
};

// Which part of which row a piece is.
struct LlPiece {
  u64 token;
  u32 first_channel;
  u32 num_channels;
};

__device__ __forceinline__ LlPiece ll_piece_at(const LlCall& call, const LlRows& rows, u64 piece) {
  const u64 card = blockIdx.x + piece * gridDim.x;
  const u64 token = rows.num_pieces == 1 ? card : card / rows.num_pieces;
  const u64 first = (card - token * rows.num_pieces) * rows.piece_channels;
  const u64 left = call.ll.hidden - min(first, call.ll.hidden);
  return {token, static_cast<u32>(first), static_cast<u32>(min(left, rows.piece_channels))};
}

__device__ __forceinline__ uint4 ll_load_word(u64 address, bool aligned) {
  if (aligned) {
    return ld_no_allocate(pointer<const uint4>(address));
  }
  uint4 word;
  unsigned short* halves = reinterpret_cast<unsigned short*>(&word);
#pragma unroll
  for (u32 i = 0; i < kWordChannels; i++) {
    halves[i] = pointer<const unsigned short>(address)[i];
  }
  return word;
}

// By half a warp: casts one group, of which each lane has a word.
__device__ inline void ll_cast_group(uint4 word, u64 format, char* codes, float* scale_of_group) {
  const u32 lane = lane_idx() % kGroupLanes;
  const u32 half = lane_idx() < kGroupLanes ? 0x0000ffffu : 0xffff0000u;
  const __nv_bfloat16* from = reinterpret_cast<const __nv_bfloat16*>(&word);
  float values[kWordChannels];
  float amax = kSmallestAmax;
#pragma unroll
  for (u32 i = 0; i < kWordChannels; i++) {
    values[i] = __bfloat162float(from[i]);
    amax = fmaxf(amax, fabsf(values[i]));
  }
#pragma unroll
  for (u32 step = kGroupLanes / 2; step > 0; step /= 2) {
    amax = fmaxf(amax, __shfl_xor_sync(half, amax, step));
  }
  const bool exact = format == kLlFp8;
  const float scale =
      exact ? __fdiv_rn(amax, kLargestCode) : power_of_two_above(__fdiv_rn(amax, kLargestCode));
  // Of a power of two the reciprocal is exact, so the product is the quotient.
  const float factor = exact ? __fdiv_rn(kLargestCode, amax) : __frcp_rn(scale);
  uint2 packed;
  unsigned char* bytes = reinterpret_cast<unsigned char*>(&packed);
#pragma unroll
  for (u32 i = 0; i < kWordChannels; i++) {
    bytes[i] = to_code(values[i] * factor, values[i]);
  }
  reinterpret_cast<uint2*>(codes)[lane] = packed;
  if (lane == 0) {
    *scale_of_group = scale;
  }
}

// A group of a batch, by its number: which stage, and where in the row. `valid` if the row has it.
struct LlGroup {
  u32 stage;
  u32 group;
  u64 from;
  bool valid;
};

__device__ __forceinline__ LlGroup ll_group_at(const LlCall& call, const LlRows& rows, const LlBatch& batch,
                                               u32 num_groups, u32 index) {
  const u32 stage = index / num_groups;
  const u32 group = index - stage * num_groups;
  if (stage >= batch.num_pieces) {
    return {stage, group, 0, false};
  }
  const LlPiece piece = ll_piece_at(call, rows, batch.first + stage);
  const u64 channel = piece.first_channel + group * kGroupChannels;
  return {stage, group, rows.x + piece.token * rows.x_pitch + channel * sizeof(__nv_bfloat16),
          group * kGroupChannels < piece.num_channels};
}

// By a whole block: casts the pieces of a batch into their stages.
__device__ inline void ll_cast_batch(const LlCall& call, const LlRows& rows, const LlBatch& batch) {
  const LlStage stage = ll_stage_of(call, rows);
  const bool aligned = is_aligned(rows.x | rows.x_pitch, sizeof(uint4));
  constexpr u32 kHalves = kLlThreads / kGroupLanes;
  const u32 lane = lane_idx() % kGroupLanes;
  for (u32 first = threadIdx.x / kGroupLanes; first < batch.num_pieces * stage.num_groups;
       first += kHalves * kCastAhead) {
    LlGroup groups[kCastAhead];
    uint4 words[kCastAhead];
#pragma unroll
    for (u32 i = 0; i < kCastAhead; i++) {
      groups[i] = ll_group_at(call, rows, batch, stage.num_groups, first + i * kHalves);
      if (groups[i].valid) {
        words[i] = ll_load_word(groups[i].from + lane * sizeof(uint4), aligned);
      }
    }
#pragma unroll
    for (u32 i = 0; i < kCastAhead; i++) {
      char* to = batch.stages + groups[i].stage * stage.pitch_bytes;
      if (groups[i].valid) {
        ll_cast_group(words[i], call.terms.format, to + groups[i].group * kGroupChannels,
                      reinterpret_cast<float*>(to + stage.row_bytes) + groups[i].group);
      }
    }
  }
}

// By a whole block: loads the BF16 pieces of a batch into their stages.
__device__ inline void ll_copy_batch(const LlCall& call, const LlRows& rows, const LlBatch& batch) {
  const bool aligned = is_aligned(rows.x | rows.x_pitch, sizeof(uint4));
  const u32 num_words = static_cast<u32>(rows.piece_channels) / kWordChannels;
  for (u32 first = threadIdx.x; first < batch.num_pieces * num_words; first += kLlThreads * kCopyAhead) {
    uint4 words[kCopyAhead];
#pragma unroll
    for (u32 i = 0; i < kCopyAhead; i++) {
      const u32 index = first + i * kLlThreads;
      const u32 stage = index / num_words;
      const u32 channel = (index - stage * num_words) * kWordChannels;
      if (stage < batch.num_pieces) {
        const LlPiece piece = ll_piece_at(call, rows, batch.first + stage);
        const u64 from = piece.token * rows.x_pitch + (piece.first_channel + channel) * sizeof(__nv_bfloat16);
        words[i] = channel < piece.num_channels ? ll_load_word(rows.x + from, aligned) : uint4{};
      }
    }
#pragma unroll
    for (u32 i = 0; i < kCopyAhead; i++) {
      const u32 index = first + i * kLlThreads;
      if (index < batch.num_pieces * num_words) {
        reinterpret_cast<uint4*>(batch.stages)[index] = words[i];
      }
    }
  }
}

// What a dispatch needs to know of where rows go.
struct LlRoute {
  LlPath path;
  const u64* areas;  // [R], if direct
  u64 epoch;
};

// By one thread: where a selection of a piece goes through the lanes.
__device__ inline LlTarget ll_lane_target(const LlCall& call, const LlRoute& route, u64 owner, u64 at) {
  const u64 slot = pointer<const i32>(call.handle.slots)[at];
  if (is_masked(call, owner) || slot >= call.ll.num_slots) {
    return {0, 0};
  }
  const u64 lane = ll_dispatch_lane(call, owner, call.geometry.rank, route.epoch);
  const u64 num_groups = call.ll.hidden / kGroupChannels;
  pointer<i32>(lane + call.ll.lane_sources)[slot] = static_cast<i32>(at / call.topk);
  return {lane + slot * ll_row_bytes(call), lane + call.ll.lane_scales + slot * num_groups * sizeof(float)};
}

__device__ __forceinline__ u64 ll_scale_columns(const LlCall& call) {
  const u64 num_groups = call.ll.hidden / kGroupChannels;
  return call.terms.format == kLlFp8Ue8m0 ? (num_groups + 3) / 4 : num_groups;
}

// By one thread: where a selection goes straight, given the rows of lower ranks for its expert.
__device__ inline LlTarget ll_direct_target(const LlCall& call, const LlRoute& route, u64 expert, u64 at,
                                            u64 rows_before) {
  const u64 num_local = ll_num_local(call);
  const u64 owner = expert / num_local;
  const u64 local = expert - owner * num_local;
  const u64 row = rows_before + pointer<const i32>(call.handle.ranks)[at];
  pointer<i32>(call.handle.rows)[at] = static_cast<i32>(row);
  if (row >= ll_result_rows(call)) {
    return {0, 0};
  }
  const u64 area = route.areas[owner];
  const u64 index = local * ll_result_rows(call) + row;
  pointer<i32>(area + call.ll.area_sources)[index] = static_cast<i32>(at / call.topk);
  const u64 column = local * ll_scale_columns(call) * ll_result_rows(call) + row;
  return {area + index * ll_row_bytes(call), area + call.ll.area_scales + column * sizeof(float)};
}

// By some lanes of a warp together: rows that lower ranks send to an expert; -1 for none.
__device__ inline bool ll_add_counts_before(const LlCall& call, u64 epoch, i64 expert, u64* sum) {
  const u32 sub = lane_idx() % kSumLanes;
  *sum = 0;
  for (u64 first = 0; first < call.geometry.rank; first += kSumLanes) {
    const u64 source = first + sub;
    const bool counts = expert >= 0 && source < call.geometry.rank;
    const u64* word =
        counts ? ll_announced_counts(call, call.geometry.rank, source, epoch) + expert : nullptr;
    u64 seen;
    if (!ll_await_words(call, word, ll_tag(epoch), source, &seen)) {
      return false;
    }
    *sum += ll_payload(seen);
  }
#pragma unroll
  for (u32 step = kSumLanes / 2; step > 0; step /= 2) {
    *sum += __shfl_xor_sync(kAllLanes, *sum, step);
  }
  return true;
}

// By a whole block: where the selections of a batch go. False if the call fails.
__device__ inline bool ll_find_targets(const LlCall& call, const LlRows& rows, const LlRoute& route,
                                       const LlBatch& batch, LlTarget* targets) {
  const u32 topk = static_cast<u32>(call.topk);
  const u32 num_targets = batch.num_pieces * topk;
  bool came = true;
  for (u32 first = 0; first < num_targets; first += kLlThreads / kSumLanes) {
    const u32 i = first + threadIdx.x / kSumLanes;
    const u32 stage = i / topk;
    i64 expert = -1;
    u64 at = 0;
    if (i < num_targets) {
      at = ll_piece_at(call, rows, batch.first + stage).token * topk + (i - stage * topk);
      expert = pointer<const i32>(call.handle.choices)[at];
    }
    u64 rows_before = 0;
    came = came && (route.path != kLlDirect || ll_add_counts_before(call, route.epoch, expert, &rows_before));
    if (i < num_targets && threadIdx.x % kSumLanes == 0) {
      LlTarget target = {0, 0};
      if (came && expert >= 0) {
        target = route.path == kLlDirect
                     ? ll_direct_target(call, route, expert, at, rows_before)
                     : ll_lane_target(call, route, expert / static_cast<i64>(ll_num_local(call)), at);
      }
      targets[i] = target;
    }
  }
  return __syncthreads_and(came ? 1 : 0) != 0;
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

// By a whole block: the scales of a batch to all destinations.
__device__ inline void ll_send_scales(const LlCall& call, const LlRows& rows, const LlRoute& route,
                                      const LlBatch& batch, const LlTarget* targets) {
  const LlStage stage = ll_stage_of(call, rows);
  const u32 topk = static_cast<u32>(call.topk);
  const bool packed = route.path == kLlDirect && call.terms.format == kLlFp8Ue8m0;
  const u32 per_word = packed ? 4 : 1;
  const u32 num_words = (stage.num_groups + per_word - 1) / per_word;
  const u64 pitch = route.path == kLlDirect ? ll_result_rows(call) : 1;
  for (u32 i = threadIdx.x; i < batch.num_pieces * topk * num_words; i += kLlThreads) {
    const u32 target = i / num_words;
    const u32 word = i - target * num_words;
    const u32 at = target / topk;
    const LlPiece piece = ll_piece_at(call, rows, batch.first + at);
    const u32 group = word * per_word;
    const u32 num_groups = piece.num_channels / kGroupChannels;
    if (targets[target].row == 0 || group >= num_groups) {
      continue;
    }
    const float* scales =
        reinterpret_cast<const float*>(batch.stages + at * stage.pitch_bytes + stage.row_bytes) + group;
    const u32 bits = packed ? ll_pack_exponents(scales, num_groups - group) : __float_as_uint(*scales);
    const u64 column = piece.first_channel / kGroupChannels / per_word + word;
    pointer<u32>(targets[target].scales)[column * pitch] = bits;
  }
}

// By a whole block: begins the bulk stores of a batch.
__device__ inline void ll_send_batch(const LlCall& call, const LlRows& rows, const LlBatch& batch,
                                     const LlTarget* targets) {
  const LlStage stage = ll_stage_of(call, rows);
  const u32 topk = static_cast<u32>(call.topk);
  const u32 channel_bytes = is_fp8(call.terms) ? 1 : sizeof(__nv_bfloat16);
  fence_proxy_async();
  for (u32 i = threadIdx.x; i < batch.num_pieces * topk; i += kLlThreads) {
    const u32 at = i / topk;
    const LlPiece piece = ll_piece_at(call, rows, batch.first + at);
    if (targets[i].row != 0) {
      cp_async_bulk_store(pointer<char>(targets[i].row + piece.first_channel * channel_bytes),
                          batch.stages + at * stage.pitch_bytes, piece.num_channels * channel_bytes);
    }
  }
  cp_async_bulk_commit_group();
}

// By a whole block: sends all pieces of the block. `direct` if rows may go straight to where they are
// packed; `areas`[R] is room for where that is. Their stores may still be under way afterwards.
__device__ inline LlPath ll_send_rows(const LlCall& call, const LlRows& rows, u64 epoch, bool direct,
                                      u64* areas) {
  const LlSendMemory memory = ll_send_memory();
  const LlShare share = ll_share_of(call, rows.num_pieces);
  const bool announced = call.ll.may_shrink == 0;
  if (!ll_plan(call, share, memory.plan, epoch, direct)) {
    return kLlFailed;
  }
  if (announced) {
    ll_announce(call, epoch, direct);
  }
  const LlStage stage = ll_stage_of(call, rows);
  LlRoute route = {kLlThroughLanes, areas, epoch};
  bool first = true;
  u32 half = 0;
  for (u64 piece = 0; piece < share.num_pieces || first; piece += rows.num_stages) {
    const LlBatch batch = {piece, static_cast<u32>(min(share.num_pieces - piece, rows.num_stages)),
                           memory.stages + half * rows.num_stages * stage.pitch_bytes};
    cp_async_bulk_wait_group_read<kStageHalves - 1>();
    __syncthreads();
    if (is_fp8(call.terms)) {
      ll_cast_batch(call, rows, batch);
    } else {
      ll_copy_batch(call, rows, batch);
    }
    fence_proxy_async();
    if (first && direct) {
      route.path = ll_agree_on_path(call, epoch, areas);
    }
    if (route.path == kLlFailed || !ll_find_targets(call, rows, route, batch, memory.targets)) {
      return kLlFailed;
    }
    ll_send_batch(call, rows, batch, memory.targets);
    ll_send_scales(call, rows, route, batch, memory.targets);
    first = false;
    half = (half + 1) % kStageHalves;
  }
  return route.path;
}

// The stores of this thread's bulk copies are complete, and ordered before what it publishes.
__device__ __forceinline__ void ll_settle_rows() {
  cp_async_bulk_wait_group_all();
  fence_proxy_async();
}

}  // namespace crossdock
