// Reads the choices of tokens, a block for the experts of one rank, and finds what is wrong with them.
#pragma once

#include "wait.cuh"

namespace crossdock {

constexpr u32 kRouteThreads = 1024;
constexpr u32 kRouteWarps = kRouteThreads / kWarpThreads;
constexpr u32 kMaxLocalExperts = 1024;
constexpr u32 kWordTokens = 32;                           // tokens of a word of a bitmap
constexpr u32 kPassTokens = kRouteThreads * kWordTokens;  // a word a thread
constexpr u32 kLoadsAhead = 8;
constexpr u32 kSeenBits = 64;
static_assert(kRouteWarps == kWarpThreads, "a warp scans the sums of all warps, a lane each");

// The choices of all tokens of this rank.
struct Choices {
  u64 topk_idx;
  u64 pitch_bytes;
  u64 index_bytes;
  u64 num_tokens;
  u32 topk;
  i64 num_experts;
  u32 num_local_experts;
};

// Consecutive experts that a block looks for, and where it counts their choices, if it does.
struct ExpertRange {
  i64 low;
  u32 num_experts;
  u32* counts;
};

__device__ __forceinline__ i64 expert_at(const Choices& choices, u64 token, u32 k) {
  const u64 row = choices.topk_idx + token * choices.pitch_bytes;
  return choices.index_bytes == sizeof(i64) ? pointer<const i64>(row)[k] : pointer<const i32>(row)[k];
}

__device__ __noinline__ bool was_chosen(const Choices& choices, u64 token, u32 k, i64 expert) {
  for (u32 before = 0; before < k; before++) {
    if (expert_at(choices, token, before) == expert) {
      return true;
    }
  }
  return false;
}

// Names a wrong choice so that the lowest key is the one a reader meets first: ids that are out of
// range and ids that are repeated, by token and choice.
__device__ __forceinline__ u64 refusal_key(const Choices& choices, u64 token, u32 k, bool repeated) {
  return (token * choices.topk + k) * 2 + (repeated ? 1 : 0);
}

// By one lane: looks at one choice of its token. `seen` has a bit for each expert of the range that the
// token chose before, as far as bits go.
__device__ __forceinline__ bool visit_choice(const Choices& choices, const ExpertRange& range, u64 token,
                                             u32 k, i64 expert, u64* seen, u64* lowest_key) {
  if (expert < -1 || expert >= choices.num_experts) {
    *lowest_key = min(*lowest_key, refusal_key(choices, token, k, false));
    return false;
  }
  const i64 local = expert - range.low;
  if (expert < 0 || local < 0 || local >= range.num_experts) {
    return false;
  }
  const u64 bit = 1ull << (local % kSeenBits);
  if ((*seen & bit) != 0 && was_chosen(choices, token, k, expert)) {
    *lowest_key = min(*lowest_key, refusal_key(choices, token, k, true));
  }
  *seen |= bit;
  if (range.counts != nullptr) {
    atomicAdd(&range.counts[local], 1u);
  }
  return true;
}

// By one warp: which of 32 tokens, one a lane, chose an expert of the range. Choices are read ahead of
// their use.
__device__ inline u32 visit_word(const Choices& choices, const ExpertRange& range, u64 first_token,
                                 u64* lowest_key) {
  const u64 token = first_token + lane_idx();
  u64 seen = 0;
  bool chosen = false;
  for (u32 first = 0; first < choices.topk; first += kLoadsAhead) {
    i64 experts[kLoadsAhead];
#pragma unroll
    for (u32 i = 0; i < kLoadsAhead; i++) {
      const bool there = token < choices.num_tokens && first + i < choices.topk;
      experts[i] = there ? expert_at(choices, token, first + i) : -1;
    }
#pragma unroll
    for (u32 i = 0; i < kLoadsAhead; i++) {
      chosen |= visit_choice(choices, range, token, first + i, experts[i], &seen, lowest_key);
    }
  }
  return __ballot_sync(kAllLanes, chosen);
}

// By a warp: sum of the values of the lanes before this one.
__device__ __forceinline__ u32 warp_sum_before(u32 value) {
  u32 sum = value;
#pragma unroll
  for (u32 step = 1; step < kWarpThreads; step *= 2) {
    const u32 below = __shfl_up_sync(kAllLanes, sum, step);
    sum += lane_idx() >= step ? below : 0;
  }
  return sum - value;
}

// By a whole block of kRouteThreads: sum of the values of the threads before this one, and of all.
__device__ inline u32 block_sum_before(u32 value, u32* total) {
  __shared__ u32 warp_sums[kRouteWarps];
  const u32 before = warp_sum_before(value);
  if (lane_idx() == kWarpThreads - 1) {
    warp_sums[warp_idx()] = before + value;
  }
  __syncthreads();
  const u32 mine = warp_sums[lane_idx()];
  const u32 warps_before = warp_sum_before(mine);
  *total = __shfl_sync(kAllLanes, warps_before + mine, kRouteWarps - 1);
  const u32 sum = __shfl_sync(kAllLanes, warps_before, warp_idx()) + before;
  __syncthreads();
  return sum;
}

// Which tokens of a pass go somewhere, in shared memory: a bit each, and how many go before each word.
struct TokenBits {
  u32 words[kRouteThreads];
  u32 before[kRouteThreads];
};

__device__ __forceinline__ u32 num_words_of(u64 num_tokens, u64 first_token) {
  const u64 left = num_tokens - first_token;
  return static_cast<u32>((min(left, static_cast<u64>(kPassTokens)) + kWordTokens - 1) / kWordTokens);
}

// By a whole block: counts the bits; `base` go before the first. Returns how many there are.
__device__ inline u32 count_bits(TokenBits* bits, u32 num_words, u32 base) {
  __syncthreads();
  const u32 word = threadIdx.x < num_words ? bits->words[threadIdx.x] : 0;
  u32 total;
  const u32 before = block_sum_before(__popc(word), &total);
  bits->before[threadIdx.x] = base + before;
  __syncthreads();
  return total;
}

__device__ __forceinline__ bool bit_of(const TokenBits& bits, u32 token) {
  return (bits.words[token / kWordTokens] >> (token % kWordTokens) & 1) != 0;
}

__device__ __forceinline__ u32 position_of(const TokenBits& bits, u32 token) {
  const u32 below = bits.words[token / kWordTokens] & ((1u << (token % kWordTokens)) - 1);
  return bits.before[token / kWordTokens] + __popc(below);
}

// By a whole block: fills the bits of one pass from the choices.
__device__ inline void mark_tokens(const Choices& choices, const ExpertRange& range, u64 first_token,
                                   TokenBits* bits, u64* lowest_key) {
  const u32 num_words = num_words_of(choices.num_tokens, first_token);
  for (u32 i = warp_idx(); i < num_words; i += kRouteWarps) {
    const u32 word = visit_word(choices, range, first_token + i * kWordTokens, lowest_key);
    if (lane_idx() == 0) {
      bits->words[i] = word;
    }
  }
}

__device__ inline void clear_counts(u32* expert_counts, u32 num_local_experts) {
  for (u32 i = threadIdx.x; i < num_local_experts; i += kRouteThreads) {
    expert_counts[i] = 0;
  }
  __syncthreads();
}

__device__ inline void store_counts(i32* to, const u32* expert_counts, u32 num_local_experts) {
  __syncthreads();
  for (u32 i = threadIdx.x; i < num_local_experts; i += kRouteThreads) {
    to[i] = static_cast<i32>(expert_counts[i]);
  }
  __syncthreads();
}

// Takes a wrong choice apart for the error message: code, token, choice and expert, or token and expert.
__device__ inline void describe_refusal(const Choices& choices, u64 key, EntryHeader* entry) {
  const u64 choice = key / 2;
  const u64 token = choice / choices.topk;
  const u32 k = static_cast<u32>(choice % choices.topk);
  const u64 expert = static_cast<u64>(expert_at(choices, token, k));
  entry->refusal = key % 2 == 0 ? kExpertOutOfRange : kExpertRepeated;
  entry->fact0 = token;
  entry->fact1 = key % 2 == 0 ? k : expert;
  entry->fact2 = expert;
}

}  // namespace crossdock
