// Low-latency combine: in two halves, a kernel each, or as a whole; and the small calls.
//
//   ll_reply     all blocks   expert outputs into the lanes of their homes
//                last block   flags
//   ll_sum       all blocks   await the flags; for k ascending acc = fma(weight, row, acc)
//                last block   completed
//   ll_combine   the same in one kernel. Outputs that lie in the area of a direct dispatch do not move:
//                the flags come first, and the homes read the rows where they are.
//   ll_clean     flags, await them
//   ll_refuse    this rank's call is invalid
//   ll_await_pulled   until all ranks have read the outputs of an area
#include <cuda_bf16.h>

#include "../include/ll_end.cuh"
#include "../include/ll_runs.cuh"
#include "../include/logfmt.cuh"

namespace crossdock {

constexpr u32 kSumChannels = 8;  // of a lane at a time
constexpr u32 kSumAhead = 8;     // rows that a lane loads at a time
constexpr u32 kMaxSummands = 1024;
constexpr u64 kNowhere = 0;
constexpr u32 kSlotBits = 28;  // a lane has fewer slots: RowPlan.MAX_TOKENS * 32
constexpr u64 kLlLogFmt = 1;   // ordinal of the Java enum CombineFormat

__device__ __forceinline__ bool is_encoded(const LlCall& call) {
  return call.terms.format == kLlLogFmt;
}

// From one row of a combine lane to the next.
__device__ __forceinline__ u64 ll_reply_pitch(const LlCall& call) {
  return is_encoded(call) ? log_max_row_bytes(call.ll.hidden) : call.ll.hidden * sizeof(__nv_bfloat16);
}

// The expert that a token was dispatched to at k, or -2 if the dispatch had less choices.
__device__ __forceinline__ i64 ll_dispatched_at(const LlCall& call, u64 token, u64 k) {
  return k < call.handle.topk ? pointer<const i32>(call.handle.choices)[token * call.handle.topk + k] : -2;
}

// Which choice of the dispatch an expert of a token was, or -1.
__device__ __noinline__ i64 ll_choice_of(const LlCall& call, u64 token, i64 expert) {
  const u64 first = token * call.handle.topk;
  const i32* choices = pointer<const i32>(call.handle.choices) + first;
  for (u64 other = 0; other < call.handle.topk; other++) {
    if (choices[other] == expert) {
      return static_cast<i64>(first + other);
    }
  }
  return -1;
}

__device__ __forceinline__ i64 ll_combine_choice(const LlCall& call, u64 token, u64 k) {
  const u64 row = call.topk_idx + token * call.topk_idx_pitch;
  return call.index_bytes == sizeof(i64) ? pointer<const i64>(row)[k] : pointer<const i32>(row)[k];
}

// By some threads together: notes the first choice that is wrong. The choice of the dispatch at the same
// place, most often the same, is loaded beside it. False for a thread that found a wrong one.
__device__ inline bool ll_check_choices(const LlCall& call, u64 first, u64 stride) {
  const u32 topk = static_cast<u32>(call.topk);
  const u64 num_choices = call.num_tokens * topk;
  bool right = true;
  for (u64 i = first; i < num_choices; i += stride) {
    const u64 token = static_cast<u32>(i) / topk;
    const u64 k = i - token * topk;
    const i64 expert = ll_combine_choice(call, token, k);
    const bool same = ll_dispatched_at(call, token, k) == expert;
    const bool outside = expert < -1 || expert >= static_cast<i64>(call.terms.num_experts);
    if (outside || (expert >= 0 && !same && ll_choice_of(call, token, expert) < 0)) {
      atomicMin(atomic_word(&local_state(call.geometry)->refusal_key), i * 2 + (outside ? 0 : 1));
      right = false;
    }
  }
  return right;
}

// By one warp: a part of a run from the outputs to the lane of its home.
__device__ inline void ll_reply_part(const LlCall& call, const LlRun& run, u64 y, u64 epoch, u32 part) {
  const u64 row_bytes = call.ll.hidden * sizeof(__nv_bfloat16);
  const u64 first = run.expert * call.terms.num_max_tokens * call.geometry.num_ranks + run.row;
  const u64 from = y + first * row_bytes;
  const u64 pitch = ll_reply_pitch(call);
  const u64 to = ll_combine_lane(call, run.source, call.geometry.rank, epoch) + run.slot * pitch;
  if (!is_encoded(call)) {
    ll_copy_part(to, from, run.num_rows * row_bytes, part);
    return;
  }
  for (u64 i = part * run.num_rows / kRunParts; i < (part + 1) * run.num_rows / kRunParts; i++) {
    log_encode_row(from + i * row_bytes, to + i * pitch, call.ll.hidden);
  }
}

// By a whole block: its part of the outputs into the lanes.
__device__ inline void ll_reply_rows(const LlCall& call, u64 y, u64 epoch) {
  const i32* counts = pointer<const i32>(call.handle.counts);
  const auto count = [&](u64 source, u64 expert) -> u32 {
    return static_cast<u32>(counts[source * ll_num_local(call) + expert]);
  };
  const auto find = [&](u64 source, u64 expert) {
    LlRun run = ll_run_from(source, expert, count);
    run.num_rows = is_masked(call, source) ? 0 : run.num_rows;
    return run;
  };
  ll_move_runs(call, is_encoded(call) ? LlDealing::kOnDemand : LlDealing::kInTurn, find,
               [&](const LlRun& run, u32 part) { ll_reply_part(call, run, y, epoch, part); });
}

// By one block, once all choices were checked: refuses the call if one was wrong.
__device__ __noinline__ void ll_publish_unreplied(const LlCall& call, u64 epoch) {
  const u64 key = ld_relaxed_gpu(&local_state(call.geometry)->refusal_key);
  if (key == kNoRefusal || has_failed(call.geometry) || warp_idx() != 0) {
    return;
  }
  const u64 token = key / 2 / call.topk;
  const u64 k = key / 2 - token * call.topk;
  const u64 expert = static_cast<u64>(ll_combine_choice(call, token, k));
  const u64 code = key % 2 == 0 ? kExpertOutOfRange : kNotDispatched;
  ll_publish_refusal(call, epoch, {epoch, code, token, k, expert}, nullptr);
  record_failure(call.geometry, {kRefusedCall, call.geometry.rank, kGrantPhase, epoch, 0, 0, 0, 0, 0});
}

// By the last block: flags, or a refusal if a choice was wrong.
__device__ inline void ll_publish_replied(const LlCall& call, u64 epoch) {
  const bool right = ld_relaxed_gpu(&local_state(call.geometry)->refusal_key) == kNoRefusal;
  if (right && !has_failed(call.geometry)) {
    ll_publish_flags(call, {ll_terms(call), kInLanes, false}, epoch);
  } else {
    ll_publish_unreplied(call, epoch);
  }
  __syncthreads();
}

// By a whole block: begins a combine and sends the outputs.
__device__ inline void ll_reply_through_lanes(const LlCall& call, u64 y, u64 epoch) {
  const LlBeginning& beginning = ll_begin(call, epoch);
  ll_check_choices(call, grid_thread_idx(), grid_threads());
  __syncthreads();
  if (beginning.ready != 0) {
    ll_reply_rows(call, y, epoch);
  }
}

extern "C" __global__ void __launch_bounds__(kLlThreads, 1)
    ll_reply(const __grid_constant__ LlReplyArgs args) {
  grid_dependency_wait();
  const LlCall& call = args.call;
  const u64 epoch = current_epoch(call.geometry);
  ll_reply_through_lanes(call, args.y, epoch);
  if (is_last_arrival(&local_state(call.geometry)->arrivals)) {
    ll_publish_replied(call, epoch);
    if (warp_idx() == 0) {
      ll_end(call, epoch, kLlSent);
    }
  }
}

// What a choice of a token adds to its sum. It is found in two steps, the first of which needs no flag.
struct LlSummand {
  u64 row;     // address, or kNowhere; before: place among the owner's rows, or kNowhere
  u64 memory;  // of the owner
  float weight;
  i32 owner;  // -1 for none
};

// By one thread: the first step.
__device__ inline LlSummand ll_summand_of(const LlCall& call, const LlSums& sums, u64 token, u64 k) {
  const float weight = pointer<const float>(sums.weights + token * sums.weights_pitch)[k];
  const i64 expert = ll_combine_choice(call, token, k);
  const i64 at = ll_dispatched_at(call, token, k) == expert ? static_cast<i64>(token * call.handle.topk + k)
                                                            : ll_choice_of(call, token, expert);
  if (expert < 0 || at < 0) {
    return {kNowhere, 0, weight, -1};
  }
  const u32 num_local = static_cast<u32>(ll_num_local(call));
  const u32 owner = static_cast<u32>(expert) / num_local;
  const u64 first = (expert - owner * num_local) * call.terms.num_max_tokens * call.geometry.num_ranks;
  const u64 slot = pointer<const i32>(call.handle.slots)[at];
  const u64 row = first + pointer<const i32>(call.handle.rows)[at];
  return {row << kSlotBits | slot, peer_memory(call.geometry, owner), weight, static_cast<i32>(owner)};
}

// By one thread: the second step.
__device__ inline u64 ll_reply_address(const LlCall& call, u64 epoch, const LlSummand& summand, u32 place) {
  if (summand.owner < 0 || place == 0) {
    return kNowhere;
  }
  const u64 owner = summand.owner;
  if (place - 1 == kInLanes) {
    const u64 slot = summand.row & ((1ull << kSlotBits) - 1);
    return ll_combine_lane(call, call.geometry.rank, owner, epoch) + slot * ll_reply_pitch(call);
  }
  const u64 area = summand.memory + call.ll.areas + (place - 2) * call.ll.area_pitch;
  const u64 row = summand.row >> kSlotBits;
  return area + call.ll.area_outputs + row * call.ll.hidden * sizeof(__nv_bfloat16);
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

__device__ __noinline__ void ll_store_unaligned(u64 address, uint4 word) {
  const unsigned short* halves = reinterpret_cast<const unsigned short*>(&word);
#pragma unroll
  for (u32 i = 0; i < kSumChannels; i++) {
    pointer<unsigned short>(address)[i] = halves[i];
  }
}

__device__ __forceinline__ void ll_store_word(u64 address, uint4 word, bool aligned) {
  if (aligned) {
    *pointer<uint4>(address) = word;
  } else {
    ll_store_unaligned(address, word);
  }
}

constexpr u32 kLogSumGroups = kLogAhead;  // groups that a warp sums at a time
constexpr u32 kLogSumRows = kWarpThreads / kLogAhead;

// By one warp: adds a whole group of some encoded rows to the sums. The loads of all rows go first. A lane
// of `view` knows the group at `from`, and at every kLogAhead after it that of the next row.
__device__ __forceinline__ void ll_add_encoded(const LlSummand* summands, u32 num_rows, const LogView& view,
                                               u32 from, float sums[4]) {
  LogWords words[kLogSumRows];
#pragma unroll
  for (u32 k = 0; k < kLogSumRows; k++) {
    const u32 header = __shfl_sync(kAllLanes, view.header, from + k * kLogAhead);
    const u32 offset = __shfl_sync(kAllLanes, view.offset, from + k * kLogAhead);
    if (k < num_rows && summands[k].row != kNowhere) {
      words[k] = log_load_words(header, summands[k].row + offset);
    }
  }
#pragma unroll
  for (u32 k = 0; k < kLogSumRows; k++) {
    const LogGroup group = {__shfl_sync(kAllLanes, view.header, from + k * kLogAhead), kLogChannels};
    const float lowest = __shfl_sync(kAllLanes, view.lowest, from + k * kLogAhead);
    const float step = __shfl_sync(kAllLanes, view.step, from + k * kLogAhead);
    if (k < num_rows && summands[k].row != kNowhere) {
      float values[4];
      log_decode_words(group, words[k], lowest, step, values);
#pragma unroll
      for (u32 i = 0; i < 4; i++) {
        sums[i] = __fmaf_rn(summands[k].weight, values[i], sums[i]);
      }
    }
  }
}

// By one warp: the same for a group that has fewer channels.
__device__ __noinline__ float4 ll_add_encoded_part(const LlSummand* summands, u32 num_rows, LogView view,
                                                   u32 from, float4 before) {
  const u32 num_channels = __shfl_sync(kAllLanes, view.num_channels, from);
  float sums[4] = {before.x, before.y, before.z, before.w};
  for (u32 k = 0; k < min(num_rows, kLogSumRows); k++) {
    const LogGroup group = {__shfl_sync(kAllLanes, view.header, from + k * kLogAhead), num_channels};
    const u32 offset = __shfl_sync(kAllLanes, view.offset, from + k * kLogAhead);
    const float lowest = __shfl_sync(kAllLanes, view.lowest, from + k * kLogAhead);
    const float step = __shfl_sync(kAllLanes, view.step, from + k * kLogAhead);
    if (summands[k].row != kNowhere) {
      float values[4];
      log_decode_part(group, summands[k].row + offset, lowest, step, values);
      for (u32 i = 0; i < 4; i++) {
        sums[i] = __fmaf_rn(summands[k].weight, values[i], sums[i]);
      }
    }
  }
  return {sums[0], sums[1], sums[2], sums[3]};
}

// By one warp: stores the sums of a group, of which each lane has four channels.
__device__ __forceinline__ void ll_store_group(const float sums[4], u64 to, u32 num_channels, bool aligned) {
  u32 bits[4];
#pragma unroll
  for (u32 i = 0; i < 4; i++) {
    bits[i] = __bfloat16_as_ushort(__float2bfloat16_rn(sums[i]));
  }
  if (num_channels == kLogChannels && aligned) {
    pointer<uint2>(to)[lane_idx()] = {bits[0] | bits[1] << 16, bits[2] | bits[3] << 16};
    return;
  }
  const u32 quarter = num_channels / 4;
#pragma unroll
  for (u32 i = 0; i < 4; i++) {
    const u32 at = num_channels == kLogChannels ? lane_idx() * 4 + i : lane_idx() + i * quarter;
    if (lane_idx() < quarter) {
      pointer<unsigned short>(to)[at] = static_cast<unsigned short>(bits[i]);
    }
  }
}

// By one warp: the sums of some groups of a token from encoded rows.
__device__ __forceinline__ void ll_sum_encoded(const LlCall& call, const LlSummand* summands, u64 part,
                                               u64 to, bool aligned) {
  const u32 first_group = static_cast<u32>(part) * kLogSumGroups;
  const u32 topk = static_cast<u32>(call.topk);
  float sums[kLogSumGroups][4] = {};
  for (u32 first = 0; first < topk; first += kLogSumRows) {
    const u32 k = first + lane_idx() / kLogAhead;
    const LogView view = log_view(k < topk ? summands[k].row : kNowhere, call.ll.hidden, first_group);
#pragma unroll
    for (u32 i = 0; i < kLogSumGroups; i++) {
      const u32 num_channels = log_channels_of(call.ll.hidden, first_group + i);
      if (num_channels == kLogChannels) {
        ll_add_encoded(summands + first, topk - first, view, i, sums[i]);
      } else if (num_channels != 0) {
        const float4 before = {sums[i][0], sums[i][1], sums[i][2], sums[i][3]};
        const float4 after = ll_add_encoded_part(summands + first, topk - first, view, i, before);
        sums[i][0] = after.x;
        sums[i][1] = after.y;
        sums[i][2] = after.z;
        sums[i][3] = after.w;
      }
    }
  }
#pragma unroll
  for (u32 i = 0; i < kLogSumGroups; i++) {
    const u64 group = first_group + i;
    ll_store_group(sums[i], to + group * kLogChannels * sizeof(__nv_bfloat16),
                   log_channels_of(call.ll.hidden, group), aligned);
  }
}

// By one warp: the sums of some channels of a token.
__device__ inline void ll_sum_plain(const LlCall& call, const LlSummand* summands, u64 part, u64 to,
                                    bool aligned) {
  const u64 word = part * kWarpThreads + lane_idx();
  if (word >= call.ll.hidden / kSumChannels) {
    return;
  }
  float sums[kSumChannels] = {};
  for (u32 first = 0; first < call.topk; first += kSumAhead) {
    uint4 words[kSumAhead];
#pragma unroll
    for (u32 i = 0; i < kSumAhead; i++) {
      const u64 row = first + i < call.topk ? summands[first + i].row : kNowhere;
      if (row != kNowhere) {
        words[i] = ld_no_allocate(pointer<const uint4>(row) + word);
      }
    }
#pragma unroll
    for (u32 i = 0; i < kSumAhead; i++) {
      if (first + i < call.topk && summands[first + i].row != kNowhere) {
        ll_add(sums, words[i], summands[first + i].weight);
      }
    }
  }
  ll_store_word(to + word * sizeof(uint4), ll_round(sums), aligned);
}

// The sums of a block: its parts of tokens, and how many tokens it has summands of at a time.
struct LlSumming {
  LlParts parts;
  u32 parts_per_token;
  u32 tokens_at_once;
};

__device__ __forceinline__ LlSumming ll_summing_of(const LlCall& call) {
  const u32 part_channels = is_encoded(call) ? kLogSumGroups * kLogChannels : kWarpThreads * kSumChannels;
  const u32 parts_per_token = (static_cast<u32>(call.ll.hidden) + part_channels - 1) / part_channels;
  return {ll_parts_of(call.num_tokens * parts_per_token), parts_per_token,
          kMaxSummands / static_cast<u32>(call.topk)};
}

// The tokens that a block sums at a time.
struct LlTokens {
  u32 first;
  u32 end_part;
  u32 num_summands;
};

__device__ __forceinline__ LlTokens ll_tokens_from(const LlCall& call, const LlSumming& summing, u32 begin) {
  const u32 first = begin / summing.parts_per_token;
  const u32 end = min(summing.parts.end, (first + summing.tokens_at_once) * summing.parts_per_token);
  const u32 num_tokens = begin < end ? (end - 1) / summing.parts_per_token - first + 1 : 0;
  return {first, end, num_tokens * static_cast<u32>(call.topk)};
}

// The turn of a thread in work that the upper half of a block begins, while the lower one does something
// else.
__device__ __forceinline__ u32 ll_late_turn() {
  return threadIdx.x ^ kLlThreads / 2;
}

// By a whole block: the first step for the summands of some tokens.
__device__ inline void ll_find_summands(const LlCall& call, const LlSums& sums, const LlTokens& tokens,
                                        LlSummand* summands) {
  const u32 topk = static_cast<u32>(call.topk);
  for (u32 i = ll_late_turn(); i < tokens.num_summands; i += kLlThreads) {
    const u32 token = i / topk;
    summands[i] = ll_summand_of(call, sums, tokens.first + token, i - token * topk);
  }
}

// By a whole block: some parts of tokens; the first summand is one of the first part's token.
__device__ __forceinline__ void ll_sum_plain_parts(const LlCall& call, const LlSums& sums,
                                                   const LlParts& parts, const LlSummand* summands) {
  const bool aligned = is_aligned(sums.combined_x | sums.combined_x_pitch, sizeof(uint4));
  const u32 per_token = ll_summing_of(call).parts_per_token;
  const u32 first = parts.begin / per_token;
  for (u32 i = parts.begin + warp_idx(); i < parts.end; i += kLlWarps) {
    const u32 token = i / per_token;
    ll_sum_plain(call, summands + (token - first) * call.topk, i - token * per_token,
                 sums.combined_x + token * sums.combined_x_pitch, aligned);
  }
}

// The same from encoded rows. A function of its own, since it would take registers of the other one.
__device__ __noinline__ void ll_sum_encoded_parts(const LlCall& call, const LlSums& sums, LlParts parts,
                                                  const LlSummand* summands) {
  const bool aligned = is_aligned(sums.combined_x | sums.combined_x_pitch, sizeof(uint2));
  const u32 per_token = ll_summing_of(call).parts_per_token;
  const u32 first = parts.begin / per_token;
  for (u32 i = parts.begin + warp_idx(); i < parts.end; i += kLlWarps) {
    const u32 token = i / per_token;
    ll_sum_encoded(call, summands + (token - first) * call.topk, i - token * per_token,
                   sums.combined_x + token * sums.combined_x_pitch, aligned);
  }
}

// By a whole block: its part of the sums. The first tokens' summands were found.
__device__ inline void ll_sum_rows(const LlCall& call, const LlSums& sums, u64 epoch, const u32* places,
                                   LlSummand* summands) {
  const LlSumming summing = ll_summing_of(call);
  for (u32 begin = summing.parts.begin; begin < summing.parts.end;) {
    const LlTokens tokens = ll_tokens_from(call, summing, begin);
    if (begin != summing.parts.begin) {
      ll_find_summands(call, sums, tokens, summands);
    }
    // By the threads that found them.
    for (u32 i = ll_late_turn(); i < tokens.num_summands; i += kLlThreads) {
      const i32 owner = summands[i].owner;
      summands[i].row = ll_reply_address(call, epoch, summands[i], owner < 0 ? 0 : places[owner]);
    }
    __syncthreads();
    if (is_encoded(call)) {
      ll_sum_encoded_parts(call, sums, {begin, tokens.end_part}, summands);
    } else {
      ll_sum_plain_parts(call, sums, {begin, tokens.end_part}, summands);
    }
    __syncthreads();
    begin = tokens.end_part;
  }
}

// By a whole block: the first step for the first tokens that it sums, which needs no flag.
__device__ inline void ll_find_first(const LlCall& call, const LlSums& sums, LlSummand* summands) {
  const LlSumming summing = ll_summing_of(call);
  ll_find_summands(call, sums, ll_tokens_from(call, summing, summing.parts.begin), summands);
}

// By a whole block: awaits the flags, then sums. False if the call fails.
__device__ inline bool ll_await_sums(const LlCall& call, const LlSums& sums, u64 epoch, LlSummand* summands) {
  __shared__ u32 places[kMaxLowLatencyRanks];
  const bool came = ll_await_flags(call, epoch, places);
  // From here on the kernel waits for no peer, so those that it makes room for hold up nobody.
  grid_launch_dependents();
  if (came) {
    ll_sum_rows(call, sums, epoch, places, summands);
  }
  return came;
}

extern "C" __global__ void __launch_bounds__(kLlThreads, 1) ll_sum(const __grid_constant__ LlSumArgs args) {
  __shared__ LlSummand summands[kMaxSummands];
  grid_dependency_wait();
  const LlCall& call = args.call;
  const u64 epoch = ld_relaxed_gpu(pointer<const u64>(call.call_epoch));
  if (epoch == 0) {
    ll_skip(call);
    return;
  }
  ll_find_first(call, args.sums, summands);
  ll_await_sums(call, args.sums, epoch, summands);
  if (is_last_arrival(&local_state(call.geometry)->arrivals) && warp_idx() == 0) {
    ll_end(call, epoch, kLlComplete);
  }
}

// Flags that a warp lets homes have as soon as all choices were checked.
struct LlGrant {
  LlLook look;
  bool ready;
};

// By one warp: whether the call can begin; if so, what the flags say goes to this warp's peers.
__device__ inline LlGrant ll_prepare_flags(const LlCall& call, u64 epoch, LlLook look) {
  const LlFlagBody body = {ll_terms(call), call.area + 1, false};
  const bool ready = look.ready || ll_can_begin(call, epoch);
  // A rank may have been masked since.
  look.unmasked = look.unmasked && look.ready;
  for (u64 peer = warp_idx(); ready && peer < call.geometry.num_ranks; peer += kLlWarps / 2) {
    if (lane_idx() == 0 && (look.unmasked || !is_masked(call, peer))) {
      ll_write_terms(ll_flag(call, peer, call.geometry.rank, epoch), body);
    }
  }
  return {look, ready};
}

// By the first block: lets the homes read the outputs where they are.
__device__ inline void ll_reply_in_place(const LlCall& call, u64 epoch, const LlLook& look) {
  LlGrant grant = {look, true};
  if (warp_idx() < kLlWarps / 2) {
    grant = ll_prepare_flags(call, epoch, look);
  }
  const bool right = ll_check_choices(call, ll_late_turn(), kLlThreads);
  if (__syncthreads_and(right && grant.ready ? 1 : 0) == 0) {
    ll_publish_unreplied(call, epoch);
    return;
  }
  const u64 first = warp_idx() < kLlWarps / 2 ? warp_idx() : call.geometry.num_ranks;
  for (u64 peer = first; peer < call.geometry.num_ranks; peer += kLlWarps / 2) {
    if (lane_idx() == 0 && (grant.look.unmasked || !is_masked(call, peer))) {
      publish_to_peer(call.geometry, &ll_flag(call, peer, call.geometry.rank, epoch)->epoch, epoch);
    }
  }
  __syncwarp();
}

// By the first block, once its own sums are done.
__device__ inline void ll_end_combine(const LlCall& call, bool in_place, bool well, u64 epoch, u64 other) {
  well = ll_await_others(call, well);
  if (warp_idx() != 0) {
    return;
  }
  if (well && in_place) {
    if (lane_idx() == 0) {
      pointer<u64>(call.ll.pulled)[call.area] = epoch;
    }
    ll_end_well(call, epoch, other);
  } else {
    ll_end(call, epoch, kLlWhole);
  }
}

extern "C" __global__ void __launch_bounds__(kLlThreads, 1)
    ll_combine(const __grid_constant__ LlCombineArgs args) {
  __shared__ LlSummand summands[kMaxSummands];
  grid_dependency_wait();
  const LlCall& call = args.call;
  const u64 epoch = current_epoch(call.geometry);
  // What both ways need comes at once.
  const u64 direct = *pointer<const u64>(call.handle.direct);
  LlLook look = {true, false, true, 0};
  if (blockIdx.x == 0 && warp_idx() < kLlWarps / 2) {
    look = ll_look(call, epoch);
  }
  ll_find_first(call, args.sums, summands);
  const bool in_place = args.zero_copy != 0 && !is_encoded(call) && direct != 0;
  if (!in_place) {
    ll_reply_through_lanes(call, args.y, epoch);
    if (is_last_arrival(&local_state(call.geometry)->arrivals)) {
      ll_publish_replied(call, epoch);
    }
  } else if (blockIdx.x == 0) {
    ll_reply_in_place(call, epoch, look);
  }
  const bool came = ll_await_sums(call, args.sums, epoch, summands);
  const bool well = ll_leave(call, came, false, epoch);
  if (blockIdx.x == 0) {
    ll_end_combine(call, in_place, well, epoch, look.other);
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
  grid_dependency_wait();
  __shared__ u32 places[kMaxLowLatencyRanks];
  __shared__ u32 ready;
  const LlCall& call = args.call;
  const u64 epoch = current_epoch(call.geometry);
  if (warp_idx() == 0) {
    store_by_warp(&ready, ll_can_clean(call, epoch));
  }
  __syncthreads();
  if (ready != 0) {
    ll_publish_flags(call, {call.terms, kInLanes, false}, epoch);
    ll_await_flags(call, epoch, places);
  }
  if (warp_idx() == 0) {
    ll_end(call, epoch, kLlComplete);
  }
}

extern "C" __global__ void __launch_bounds__(kWarpThreads, 1)
    ll_refuse(const __grid_constant__ LlRefuseArgs args) {
  grid_dependency_wait();
  const LlCall& call = args.call;
  const u64 epoch = current_epoch(call.geometry);
  const bool ready = ll_can_begin(call, epoch);
  if (ready) {
    ll_publish_refusal(call, epoch, {epoch, kTextRefusal, 0, 0, 0}, args.reason);
  }
  ll_end(call, epoch, kLlComplete);
}

// Waits until all ranks have read the outputs of an area.
extern "C" __global__ void __launch_bounds__(kWarpThreads, 1)
    ll_await_pulled(const __grid_constant__ LlAwaitPulledArgs args) {
  grid_dependency_wait();
  const LlCall& call = args.call;
  LocalState* local = local_state(call.geometry);
  const u64 epoch = ld_relaxed_gpu(&local->epoch);
  ll_await_readers(call, epoch);
  Outcome outcome = {kProceed, 0, 0, epoch, 0, 0, 0, 0, 0};
  if (has_failed(call.geometry)) {
    outcome = local->outcome;
  }
  __syncwarp();
  if (lane_idx() == 0) {
    local->failed = 0;
  }
  __syncwarp();
  ll_write_report(call, epoch, outcome);
}

}  // namespace crossdock
