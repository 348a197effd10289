// The sums of a low-latency combine: what each choice of a token adds, where its row is read from, and the
// rows themselves, BF16 or LogFMT-10. For k ascending acc = fma(weight, row, acc).
#pragma once

#include <cuda_bf16.h>

#include "ll_end.cuh"
#include "ll_runs.cuh"
#include "logfmt.cuh"

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

// What a choice of a token adds to its sum. It is found in two steps, the first of which needs no flag.
struct LlSummand {
  u64 row;     // address, or kNowhere; before: place among the owner's rows, or kNowhere
  u64 memory;  // of the owner, or kNowhere if the address is known
  float weight;
  i32 owner;  // -1 for none
};

__device__ __forceinline__ u64 ll_output_in(const LlCall& call, u64 memory, u64 area, u64 row) {
  const u64 outputs = memory + call.ll.areas + area * call.ll.area_pitch + call.ll.area_outputs;
  return outputs + row * call.ll.hidden * sizeof(__nv_bfloat16);
}

// By one thread: where the output of an own expert for an own token lies.
__device__ inline u64 ll_own_output(const LlCall& call, u64 expert, i64 at) {
  const i32* counts = pointer<const i32>(call.handle.counts) + expert;
  u64 row = expert * call.terms.num_max_tokens * call.geometry.num_ranks;
  for (u64 source = 0; source < call.geometry.rank; source++) {
    row += counts[source * call.num_local];
  }
  row += pointer<const i32>(call.handle.ranks)[at];
  return ll_output_in(call, own_memory(call.geometry), call.area, row);
}

// By one thread: the first step. With `kHalf`, for a receive half, own rows may have stayed where they were.
template <bool kHalf>
__device__ inline LlSummand ll_summand_of(const LlCall& call, const LlSums& sums, u64 token, u64 k) {
  const float weight = pointer<const float>(sums.weights + token * sums.weights_pitch)[k];
  const i64 expert = ll_combine_choice(call, token, k);
  const i64 at = ll_dispatched_at(call, token, k) == expert ? static_cast<i64>(token * call.handle.topk + k)
                                                            : ll_choice_of(call, token, expert);
  if (expert < 0 || at < 0) {
    return {kNowhere, 0, weight, -1};
  }
  const u32 owner = ll_owner_of(call, static_cast<u32>(expert));
  const u64 local = expert - owner * call.num_local;
  if (kHalf && call.own_stay != 0 && owner == call.geometry.rank) {
    return {ll_own_output(call, local, at), kNowhere, weight, static_cast<i32>(owner)};
  }
  const u64 first = local * call.terms.num_max_tokens * call.geometry.num_ranks;
  const u64 slot = pointer<const i32>(call.handle.slots)[at];
  const u64 row = first + pointer<const i32>(call.handle.rows)[at];
  return {row << kSlotBits | slot, peer_memory(call.geometry, owner), weight, static_cast<i32>(owner)};
}

// By one thread: the second step.
__device__ inline u64 ll_reply_address(const LlCall& call, u64 epoch, const LlSummand& summand, u32 place) {
  if (summand.owner < 0 || place == 0) {
    return kNowhere;
  }
  if (summand.memory == kNowhere) {
    return summand.row;
  }
  const u64 owner = summand.owner;
  if (place - 1 == kInLanes) {
    const u64 slot = summand.row & ((1ull << kSlotBits) - 1);
    return ll_combine_lane(call, call.geometry.rank, owner, epoch) + slot * ll_reply_pitch(call);
  }
  return ll_output_in(call, summand.memory, place - 2, summand.row >> kSlotBits);
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
    uint4 words[kSumAhead] = {};  // else the compiler keeps registers for them from the start
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

__device__ __forceinline__ u32 ll_parts_per_token(const LlCall& call) {
  const u32 part_channels = is_encoded(call) ? kLogSumGroups * kLogChannels : kWarpThreads * kSumChannels;
  return (static_cast<u32>(call.ll.hidden) + part_channels - 1) / part_channels;
}

// The first block has `less` parts less than others, but for few parts.
__device__ __forceinline__ LlSumming ll_summing_of(const LlCall& call, u32 less) {
  const u32 parts_per_token = ll_parts_per_token(call);
  const LlParts parts = ll_parts_of(call.num_tokens * parts_per_token + less);
  return {{max(parts.begin, less) - less, max(parts.end, less) - less}, parts_per_token,
          kMaxSummands / static_cast<u32>(call.topk)};
}

// The tokens that a block sums at a time.
struct LlTokens {
  u32 first;
  u32 begin_part;
  u32 end_part;
  u32 num_summands;
};

__device__ __forceinline__ LlTokens ll_tokens_from(const LlCall& call, const LlSumming& summing, u32 begin) {
  const u32 first = begin / summing.parts_per_token;
  const u32 end = min(summing.parts.end, (first + summing.tokens_at_once) * summing.parts_per_token);
  const u32 num_tokens = begin < end ? (end - 1) / summing.parts_per_token - first + 1 : 0;
  return {first, begin, end, num_tokens * static_cast<u32>(call.topk)};
}

// The turn of a thread in work that the upper half of a block begins, while the lower one does something
// else.
__device__ __forceinline__ u32 ll_late_turn() {
  return threadIdx.x ^ kLlThreads / 2;
}

// By a whole block: the first step for the summands of some tokens.
template <bool kHalf>
__device__ inline void ll_find_summands(const LlCall& call, const LlSums& sums, const LlTokens& tokens,
                                        LlSummand* summands) {
  const u32 topk = static_cast<u32>(call.topk);
  for (u32 i = ll_late_turn(); i < tokens.num_summands; i += kLlThreads) {
    const u32 token = ll_token_at(call, i);
    summands[i] = ll_summand_of<kHalf>(call, sums, tokens.first + token, i - token * topk);
  }
}

constexpr u32 kRowLines = kWarpThreads / kLineWords;  // of a row in a part
static_assert(kRowLines * kSumAhead == kWarpThreads);

// By one warp: of the lines that a part is read from, the one that this lane looks after, in the first part
// of a token; kNowhere for lines that are not in the lanes.
__device__ __forceinline__ u64 ll_line_in_lanes(const LlCall& call, const LlSummand* summands) {
  constexpr u64 kLineChannels = kLineBytes / sizeof(__nv_bfloat16);
  const u32 k = lane_idx() / kRowLines;
  const u64 row = k < call.topk ? summands[k].row : kNowhere;
  const u64 lanes = ll_combine_lane(call, call.geometry.rank, 0, 0);
  const bool in_lanes = row - lanes < kSlotSets * call.geometry.num_ranks * call.ll.combine_pitch;
  const bool in_lines = is_aligned(row, kLineBytes) && call.ll.hidden % kLineChannels == 0;
  return in_lanes && in_lines ? row + lane_idx() % kRowLines * kLineBytes : kNowhere;
}

// By one warp: the same for parts in a row, from no more rows than a lane loads at a time. Where they lie
// stays in registers. With `kHalf` so do lines of lanes that are kept in the cache, which are given up.
template <bool kHalf>
__device__ __forceinline__ void ll_sum_in_a_row(const LlCall& call, const LlSummand* summands, LlParts parts,
                                                u64 to) {
  const u32 topk = static_cast<u32>(call.topk);
  const u32 row_words = static_cast<u32>(call.ll.hidden) / kSumChannels;
  u64 rows[kSumAhead];  // from this lane's first word on
  float weights[kSumAhead];
#pragma unroll
  for (u32 k = 0; k < kSumAhead; k++) {
    const u64 row = k < topk ? summands[k].row : kNowhere;
    rows[k] = row == kNowhere ? kNowhere : row + lane_idx() * sizeof(uint4);
    weights[k] = k < topk ? summands[k].weight : 0.0f;
  }
  const u64 in_lanes = kHalf ? ll_line_in_lanes(call, summands) : kNowhere;
  for (u32 part = parts.begin; part < parts.end; part++) {
    const u32 word = part * kWarpThreads;
    if (word + lane_idx() >= row_words) {
      return;
    }
    uint4 words[kSumAhead] = {};
#pragma unroll
    for (u32 k = 0; k < kSumAhead; k++) {
      if (rows[k] != kNowhere) {
        words[k] = ld_no_allocate(pointer<const uint4>(rows[k]) + word);
      }
    }
    float sums[kSumChannels] = {};
#pragma unroll
    for (u32 k = 0; k < kSumAhead; k++) {
      if (rows[k] != kNowhere) {
        ll_add(sums, words[k], weights[k]);
      }
    }
    pointer<uint4>(to)[word + lane_idx()] = ll_round(sums);
    if (kHalf) {
      __syncwarp(kAllLanes >> (kWarpThreads - min(row_words - word, kWarpThreads)));
      const u64 line = in_lanes + word * sizeof(uint4);
      const bool in_row = word + lane_idx() % kRowLines * kLineWords < row_words;
      if (in_lanes != kNowhere && in_row && ll_is_kept(line)) {
        discard_l2(pointer<void>(line));
      }
    }
  }
}

// What a warp sums of some tokens: parts in a row.
struct LlShareOfWarp {
  u32 begin;
  u32 end;
  u32 token;  // that it begins with
};

__device__ __forceinline__ LlShareOfWarp ll_share_of_warp(const LlSumming& summing, const LlTokens& tokens) {
  const u32 num_parts = tokens.end_part - tokens.begin_part;
  const u32 begin = tokens.begin_part + num_parts * warp_idx() / kLlWarps;
  return {begin, tokens.begin_part + num_parts * (warp_idx() + 1) / kLlWarps,
          begin / summing.parts_per_token};
}

// What a block sums next, and a warp of it.
struct LlFound {
  LlSumming summing;
  LlTokens tokens;
  LlShareOfWarp share;
};

// By a whole block: the first step for the tokens that it sums next. The block must meet before it looks at
// the summands.
template <bool kHalf>
__device__ __forceinline__ LlFound ll_find_from(const LlCall& call, const LlSums& sums,
                                                const LlSumming& summing, u32 begin, LlSummand* summands) {
  const LlTokens tokens = ll_tokens_from(call, summing, begin);
  ll_find_summands<kHalf>(call, sums, tokens, summands);
  return {summing, tokens, ll_share_of_warp(summing, tokens)};
}

// By a whole block: the same for the first, which needs no flag. All that takes divisions is done here, since
// they take as long as a look at memory.
template <bool kHalf>
__device__ __forceinline__ LlFound ll_find_first(const LlCall& call, const LlSums& sums, u32 less,
                                                 LlSummand* summands) {
  const LlSumming summing = ll_summing_of(call, less);
  return ll_find_from<kHalf>(call, sums, summing, summing.parts.begin, summands);
}

// By one warp: its share; the first summand is one of the first token's.
template <bool kHalf>
__device__ __forceinline__ void ll_sum_plain_parts(const LlCall& call, const LlSums& sums,
                                                   const LlFound& found, const LlSummand* summands) {
  const bool aligned = is_aligned(sums.combined_x | sums.combined_x_pitch, sizeof(uint4));
  const u32 per_token = found.summing.parts_per_token;
  u32 token = found.share.token;
  for (u32 i = found.share.begin; i < found.share.end; token++) {
    const u32 origin = token * per_token;
    const LlParts own = {i - origin, min(found.share.end - origin, per_token)};
    const LlSummand* terms = summands + (token - found.tokens.first) * call.topk;
    const u64 to = sums.combined_x + token * sums.combined_x_pitch;
    if (aligned && call.topk <= kSumAhead) {
      ll_sum_in_a_row<kHalf>(call, terms, own, to);
    } else {
      for (u32 part = own.begin; part < own.end; part++) {
        ll_sum_plain(call, terms, part, to, aligned);
      }
    }
    i = origin + own.end;
  }
}

// The same from encoded rows. A function of its own, since it would take registers of the other one.
__device__ __noinline__ void ll_sum_encoded_parts(const LlCall& call, const LlSums& sums, LlTokens tokens,
                                                  const LlSummand* summands) {
  const bool aligned = is_aligned(sums.combined_x | sums.combined_x_pitch, sizeof(uint2));
  const u32 per_token = ll_parts_per_token(call);
  for (u32 i = tokens.begin_part + warp_idx(); i < tokens.end_part; i += kLlWarps) {
    const u32 token = i / per_token;
    ll_sum_encoded(call, summands + (token - tokens.first) * call.topk, i - token * per_token,
                   sums.combined_x + token * sums.combined_x_pitch, aligned);
  }
}

// By a whole block: its part of the sums. The first tokens' summands were found.
template <bool kHalf>
__device__ inline void ll_sum_rows(const LlCall& call, const LlSums& sums, u64 epoch, const u32* places,
                                   LlFound found, LlSummand* summands) {
  for (u32 left = found.tokens.num_summands; left != 0; left = found.tokens.num_summands) {
    // By the threads that found them.
    for (u32 i = ll_late_turn(); i < left; i += kLlThreads) {
      const i32 owner = summands[i].owner;
      summands[i].row = ll_reply_address(call, epoch, summands[i], owner < 0 ? 0 : places[owner]);
    }
    __syncthreads();
    if (is_encoded(call)) {
      ll_sum_encoded_parts(call, sums, found.tokens, summands);
    } else {
      ll_sum_plain_parts<kHalf>(call, sums, found, summands);
    }
    if (found.tokens.end_part == found.summing.parts.end) {
      return;
    }
    __syncthreads();
    found = ll_find_from<kHalf>(call, sums, found.summing, found.tokens.end_part, summands);
  }
}

// By a whole block: awaits the flags, then sums what was found before. False if the call fails.
template <bool kHalf>
__device__ inline bool ll_await_sums(const LlCall& call, const LlSums& sums, u64 epoch, const LlFound& found,
                                     LlSummand* summands) {
  __shared__ u32 places[kMaxLowLatencyRanks];
  const bool came = ll_await_flags(call, epoch, places);
  // From here on the kernel waits for no peer, so those that it makes room for hold up nobody.
  grid_launch_dependents();
  if (came) {
    ll_sum_rows<kHalf>(call, sums, epoch, places, found, summands);
  }
  return came;
}

}  // namespace crossdock
