// Low-latency combine in two halves, a kernel each, and the small calls.
//
//   ll_reply    all blocks   expert outputs into the lanes of their homes
//               last block   flags
//   ll_sum      all blocks   await the flags; for k ascending acc = fma(weight, row, acc)
//               last block   completed
//   ll_clean    flags, await them
//   ll_refuse   this rank's call is invalid
#include <cuda_bf16.h>

#include "../include/logfmt.cuh"
#include "../include/lowlatency.cuh"

namespace crossdock {

constexpr u32 kSumChannels = 8;  // of a lane at a time
constexpr u32 kSumWords = 2;     // 16-byte words of a lane
constexpr u32 kReplyParts = 4;   // warps that share a run of rows
constexpr u64 kNowhere = 0;
constexpr u64 kLlLogFmt = 1;      // ordinal of the Java enum CombineFormat
constexpr u32 kLogSumGroups = 4;  // groups that a warp sums at a time

__device__ __forceinline__ bool is_encoded(const LlCall& call) {
  return call.terms.format == kLlLogFmt;
}

// From one row of a combine lane to the next.
__device__ __forceinline__ u64 ll_reply_pitch(const LlCall& call) {
  return is_encoded(call) ? log_max_row_bytes(call.ll.hidden) : call.ll.hidden * sizeof(__nv_bfloat16);
}

// The slot of an expert that a token was dispatched to, or -1; the choice is looked for at k first.
__device__ inline i32 ll_slot_of(const LlCall& call, u64 token, u64 k, i64 expert) {
  const i32* choices = pointer<const i32>(call.handle.choices) + token * call.handle.topk;
  const i32* slots = pointer<const i32>(call.handle.slots) + token * call.handle.topk;
  if (k < call.handle.topk && choices[k] == expert) {
    return slots[k];
  }
  for (u64 other = 0; other < call.handle.topk; other++) {
    if (choices[other] == expert) {
      return slots[other];
    }
  }
  return -1;
}

__device__ __forceinline__ i64 ll_combine_choice(const LlCall& call, u64 token, u64 k) {
  const u64 row = call.topk_idx + token * call.topk_idx_pitch;
  return call.index_bytes == sizeof(i64) ? pointer<const i64>(row)[k] : pointer<const i32>(row)[k];
}

// By the whole grid: notes the first choice that is wrong.
__device__ inline void ll_check_choices(const LlCall& call) {
  const u64 num_choices = call.num_tokens * call.topk;
  for (u64 i = grid_thread_idx(); i < num_choices; i += grid_threads()) {
    const u64 token = i / call.topk;
    const u64 k = i - token * call.topk;
    const i64 expert = ll_combine_choice(call, token, k);
    const bool outside = expert < -1 || expert >= static_cast<i64>(call.terms.num_experts);
    if (outside || (expert >= 0 && ll_slot_of(call, token, k, expert) < 0)) {
      atomicMin(atomic_word(&local_state(call.geometry)->refusal_key), i * 2 + (outside ? 0 : 1));
    }
  }
}

// By one warp: its part of the outputs for the rows that a source sent to a local expert.
__device__ inline void ll_reply_part(const LlReplyArgs& args, u64 epoch, u64 source, u64 expert, u64 part) {
  const LlCall& call = args.call;
  const u64 num_local = ll_num_local(call);
  const i32* counts = pointer<const i32>(call.handle.counts);
  const u64 num_rows = counts[source * num_local + expert];
  if (num_rows == 0 || is_masked(call, source)) {
    return;
  }
  u32 rows = 0;
  for (u64 before = lane_idx(); before < source; before += kWarpThreads) {
    rows += counts[before * num_local + expert];
  }
  u32 slots = 0;
  for (u64 before = lane_idx(); before < expert; before += kWarpThreads) {
    slots += counts[source * num_local + before];
  }
  const u64 row_bytes = call.ll.hidden * sizeof(__nv_bfloat16);
  const u64 first = expert * call.terms.num_max_tokens * call.geometry.num_ranks;
  const u64 from = args.y + (first + __reduce_add_sync(kAllLanes, rows)) * row_bytes;
  const u64 pitch = ll_reply_pitch(call);
  const u64 to =
      ll_combine_lane(call, source, call.geometry.rank, epoch) + __reduce_add_sync(kAllLanes, slots) * pitch;
  if (is_encoded(call)) {
    for (u64 i = part; i < num_rows; i += kReplyParts) {
      log_encode_row(from + i * row_bytes, to + i * pitch, call.ll.hidden);
    }
    return;
  }
  const u64 words = num_rows * row_bytes / sizeof(uint4);
  const u64 begin = part * words / kReplyParts;
  const u64 end = (part + 1) * words / kReplyParts;
  const u64 shift = begin * sizeof(uint4);
  copy_bytes_by(to + shift, from + shift, (end - begin) * sizeof(uint4), lane_idx(), kWarpThreads);
}

// By the last block: flags, or a refusal if a choice was wrong.
__device__ inline void ll_finish_reply(const LlCall& call, u64 epoch) {
  const u64 key = ld_relaxed_gpu(&local_state(call.geometry)->refusal_key);
  const bool begun = !has_failed(call.geometry);
  if (begun && key == kNoRefusal) {
    ll_publish_flags(call, epoch);
  } else if (begun && warp_idx() == 0) {
    const u64 token = key / 2 / call.topk;
    const u64 k = key / 2 - token * call.topk;
    const u64 expert = static_cast<u64>(ll_combine_choice(call, token, k));
    const u64 code = key % 2 == 0 ? kExpertOutOfRange : kNotDispatched;
    ll_publish_refusal(call, epoch, {epoch, code, token, k, expert}, nullptr);
    record_failure(call.geometry, {kRefusedCall, call.geometry.rank, kGrantPhase, epoch, 0, 0, 0, 0, 0});
  }
  __syncthreads();
  if (warp_idx() == 0) {
    ll_end(call, epoch, kLlSent);
  }
}

extern "C" __global__ void __launch_bounds__(kLlThreads, 1)
    ll_reply(const __grid_constant__ LlReplyArgs args) {
  __shared__ u32 ready;
  const LlCall& call = args.call;
  const u64 epoch = current_epoch(call.geometry);
  if (warp_idx() == 0) {
    store_by_warp(&ready, ll_can_begin(call, epoch));
  }
  ll_check_choices(call);
  __syncthreads();
  const u64 num_parts = ll_num_local(call) * call.geometry.num_ranks * kReplyParts;
  const u64 stride = static_cast<u64>(gridDim.x) * kLlWarps;
  for (u64 i = static_cast<u64>(blockIdx.x) * kLlWarps + warp_idx(); ready != 0 && i < num_parts;
       i += stride) {
    const u64 run = i / kReplyParts;
    const u64 expert = run / call.geometry.num_ranks;
    ll_reply_part(args, epoch, run - expert * call.geometry.num_ranks, expert, i % kReplyParts);
  }
  if (is_last_arrival(&local_state(call.geometry)->arrivals)) {
    ll_finish_reply(call, epoch);
  }
}

// By one lane: where the row of a choice lies, or nowhere.
__device__ inline u64 ll_reply_address(const LlCall& call, u64 epoch, u64 token, u64 k, const u32* counted) {
  const i64 expert = ll_combine_choice(call, token, k);
  if (expert < 0) {
    return kNowhere;
  }
  const u64 owner = expert / static_cast<i64>(ll_num_local(call));
  if (counted[owner] == 0) {
    return kNowhere;
  }
  const u64 slot = ll_slot_of(call, token, k, expert);
  return ll_combine_lane(call, call.geometry.rank, owner, epoch) + slot * ll_reply_pitch(call);
}

__device__ __forceinline__ void ll_add(float* sums, uint4 word, float weight) {
  const __nv_bfloat16* values = reinterpret_cast<const __nv_bfloat16*>(&word);
#pragma unroll
  for (u32 i = 0; i < kSumChannels; i++) {
    sums[i] = __fmaf_rn(weight, __bfloat162float(values[i]), sums[i]);
  }
}

__device__ __forceinline__ uint4 ll_round(const float* sums) {
  uint4 word;
  __nv_bfloat16* values = reinterpret_cast<__nv_bfloat16*>(&word);
#pragma unroll
  for (u32 i = 0; i < kSumChannels; i++) {
    values[i] = __float2bfloat16_rn(sums[i]);
  }
  return word;
}

__device__ __forceinline__ void ll_store_word(u64 address, uint4 word, bool aligned) {
  if (aligned) {
    *pointer<uint4>(address) = word;
    return;
  }
  const unsigned short* halves = reinterpret_cast<const unsigned short*>(&word);
#pragma unroll
  for (u32 i = 0; i < kSumChannels; i++) {
    pointer<unsigned short>(address)[i] = halves[i];
  }
}

// What a lane knows of a choice of a token: where its row lies, and its weight.
struct Reply {
  u64 row;
  float weight;
};

__device__ inline Reply ll_reply_of(const LlSumArgs& args, u64 epoch, u64 token, const u32* counted) {
  if (lane_idx() >= args.call.topk) {
    return {kNowhere, 0.0f};
  }
  return {ll_reply_address(args.call, epoch, token, lane_idx(), counted),
          pointer<const float>(args.weights + token * args.weights_pitch)[lane_idx()]};
}

// By one warp: adds some groups of an encoded row to the sums.
__device__ inline void ll_add_encoded(const LlCall& call, const Reply& reply, u64 first_group,
                                      float sums[kLogSumGroups][4]) {
  const u64 end = min(first_group + kLogSumGroups, log_num_groups(call.ll.hidden));
  u64 payload = log_payload(reply.row, call.ll.hidden, first_group);
  for (u64 i = first_group; i < end; i++) {
    const LogGroup group = {pointer<const u32>(reply.row)[i], log_channels_of(call.ll.hidden, i)};
    float values[4];
    log_decode_group(group, payload, values);
    payload += group.payload_bytes();
#pragma unroll
    for (u32 slot = 0; slot < kLogSumGroups; slot++) {
#pragma unroll
      for (u32 part = 0; part < 4 && slot == i - first_group; part++) {
        sums[slot][part] = __fmaf_rn(reply.weight, values[part], sums[slot][part]);
      }
    }
  }
}

// By one warp: the sums of some groups of a token from encoded rows.
__device__ inline void ll_sum_encoded_part(const LlSumArgs& args, u64 epoch, u64 token, u64 part,
                                           const u32* counted) {
  const LlCall& call = args.call;
  const Reply mine = ll_reply_of(args, epoch, token, counted);
  const u64 first_group = part * kLogSumGroups;
  float sums[kLogSumGroups][4] = {};
  for (u32 k = 0; k < call.topk; k++) {
    const Reply reply = {__shfl_sync(kAllLanes, mine.row, k), __shfl_sync(kAllLanes, mine.weight, k)};
    if (reply.row != kNowhere) {
      ll_add_encoded(call, reply, first_group, sums);
    }
  }
  const u64 to = args.combined_x + token * args.combined_x_pitch;
#pragma unroll
  for (u32 slot = 0; slot < kLogSumGroups; slot++) {
    const u64 group = first_group + slot;
    const u32 quarter =
        group < log_num_groups(call.ll.hidden) ? log_channels_of(call.ll.hidden, group) / 4 : 0;
#pragma unroll
    for (u32 channel = 0; channel < 4; channel++) {
      if (lane_idx() < quarter) {
        const u64 at = group * kLogChannels + lane_idx() + channel * quarter;
        pointer<__nv_bfloat16>(to)[at] = __float2bfloat16_rn(sums[slot][channel]);
      }
    }
  }
}

// By one warp: the sums of some channels of a token.
__device__ inline void ll_sum_part(const LlSumArgs& args, u64 epoch, u64 token, u64 part,
                                   const u32* counted) {
  const LlCall& call = args.call;
  const Reply mine = ll_reply_of(args, epoch, token, counted);
  const u64 num_words = call.ll.hidden / kSumChannels;
  const u64 first = part * kSumWords * kWarpThreads + lane_idx();
  float sums[kSumWords][kSumChannels] = {};
#pragma unroll 4
  for (u32 k = 0; k < call.topk; k++) {
    const u64 row = __shfl_sync(kAllLanes, mine.row, k);
    const float factor = __shfl_sync(kAllLanes, mine.weight, k);
#pragma unroll
    for (u32 step = 0; step < kSumWords; step++) {
      const u64 word = first + step * kWarpThreads;
      if (row != kNowhere && word < num_words) {
        ll_add(sums[step], ld_no_allocate(pointer<const uint4>(row) + word), factor);
      }
    }
  }
  const u64 to = args.combined_x + token * args.combined_x_pitch;
  const bool aligned = is_aligned(args.combined_x | args.combined_x_pitch, sizeof(uint4));
#pragma unroll
  for (u32 step = 0; step < kSumWords; step++) {
    const u64 word = first + step * kWarpThreads;
    if (word < num_words) {
      ll_store_word(to + word * sizeof(uint4), ll_round(sums[step]), aligned);
    }
  }
}

extern "C" __global__ void __launch_bounds__(kLlThreads, 1) ll_sum(const __grid_constant__ LlSumArgs args) {
  __shared__ u32 counted[kMaxLowLatencyRanks];
  const LlCall& call = args.call;
  const u64 epoch = ld_relaxed_gpu(pointer<const u64>(call.call_epoch));
  if (epoch == 0) {
    ll_skip(call);
    return;
  }
  if (ll_await_flags(call, epoch, args.waits, counted)) {
    const bool encoded = is_encoded(call);
    const u64 part_channels =
        encoded ? kLogSumGroups * kLogChannels : kSumWords * kWarpThreads * kSumChannels;
    const u64 parts = (call.ll.hidden + part_channels - 1) / part_channels;
    const u64 stride = static_cast<u64>(gridDim.x) * kLlWarps;
    for (u64 i = static_cast<u64>(blockIdx.x) * kLlWarps + warp_idx(); i < call.num_tokens * parts;
         i += stride) {
      const u64 token = i / parts;
      if (encoded) {
        ll_sum_encoded_part(args, epoch, token, i - token * parts, counted);
      } else {
        ll_sum_part(args, epoch, token, i - token * parts, counted);
      }
    }
  }
  if (is_last_arrival(&local_state(call.geometry)->arrivals) && warp_idx() == 0) {
    ll_end(call, epoch, kLlComplete);
  }
}

// By one warp: a clean comes after all halves of this rank's calls, not only after those whose slots it
// takes.
__device__ inline bool ll_can_clean(const LlCall& call, u64 epoch) {
  const u64 in_use = ld_relaxed_gpu(ll_open(call, epoch + 1));
  if (in_use != 0) {
    record_failure(call.geometry, {kHookPending, call.geometry.rank, kGrantPhase, epoch, in_use, 0, 0, 0, 0});
    return false;
  }
  return ll_can_begin(call, epoch);
}

extern "C" __global__ void __launch_bounds__(kLlThreads, 1)
    ll_clean(const __grid_constant__ LlCleanArgs args) {
  __shared__ u32 counted[kMaxLowLatencyRanks];
  __shared__ u32 ready;
  const LlCall& call = args.call;
  const u64 epoch = current_epoch(call.geometry);
  if (warp_idx() == 0) {
    store_by_warp(&ready, ll_can_clean(call, epoch));
  }
  __syncthreads();
  if (ready != 0) {
    ll_publish_flags(call, epoch);
    ll_await_flags(call, epoch, 0, counted);
  }
  if (warp_idx() == 0) {
    ll_end(call, epoch, kLlComplete);
  }
}

extern "C" __global__ void __launch_bounds__(kWarpThreads, 1)
    ll_refuse(const __grid_constant__ LlRefuseArgs args) {
  const LlCall& call = args.call;
  const u64 epoch = current_epoch(call.geometry);
  const bool ready = ll_can_begin(call, epoch);
  if (ready) {
    ll_publish_refusal(call, epoch, {epoch, kTextRefusal, 0, 0, 0}, args.reason);
  }
  ll_end(call, epoch, kLlComplete);
}

}  // namespace crossdock
