// Reads the choices of tokens, a block for the experts of one rank, and finds what is wrong with them.
#pragma once

#include "memory.cuh"

namespace crossdock {

constexpr u32 kRouteThreads = 1024;
constexpr u32 kRouteWarps = kRouteThreads / kWarpThreads;
static_assert(kRouteWarps == kWarpThreads, "a warp scans the sums of all warps, a lane each");
constexpr u32 kMaxLocalExperts = 1024;
constexpr u32 kTokensPerThread = 4;
constexpr u32 kTokensPerPass = kRouteThreads * kTokensPerThread;
constexpr u32 kChoicesAhead = 8;
constexpr u32 kSeenBits = 64;
constexpr i32 kNoExpert = -1;
constexpr i32 kOutside = -2;

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

__device__ __forceinline__ i64 expert_at(const Choices& choices, u64 token, u32 k) {
  const u64 row = choices.topk_idx + token * choices.pitch_bytes;
  return choices.index_bytes == sizeof(i64) ? pointer<const i64>(row)[k] : pointer<const i32>(row)[k];
}

// Names a wrong choice so that the lowest key is the one a reader meets first: ids that are out of
// range and ids that are repeated, by token and choice.
__device__ __forceinline__ u64 refusal_key(const Choices& choices, u64 token, u32 k, bool repeated) {
  return (token * choices.topk + k) * 2 + (repeated ? 1 : 0);
}

// An expert, kNoExpert or kOutside.
__device__ __forceinline__ i32 checked_expert_at(const Choices& choices, u64 token, u32 k) {
  if (token >= choices.num_tokens || k >= choices.topk) {
    return kNoExpert;
  }
  const i64 expert = expert_at(choices, token, k);
  return expert < kNoExpert || expert >= choices.num_experts ? kOutside : static_cast<i32>(expert);
}

__device__ inline bool was_chosen(const Choices& choices, u64 token, u32 k, i32 expert) {
  for (u32 before = 0; before < k; before++) {
    if (expert_at(choices, token, before) == expert) {
      return true;
    }
  }
  return false;
}

// What a thread knows of a token while it looks at its choices.
struct Visit {
  u64 seen;  // experts of the rank that the token chose so far, a bit each as far as they go
  bool chosen;
};

// Counts one choice if it is among the experts of the rank, whose first is `low`.
__device__ __forceinline__ void visit_choice(const Choices& choices, u64 token, u32 k, i32 expert, i32 low,
                                             u32* expert_counts, Visit* visit, u64* lowest_key) {
  const u32 local = static_cast<u32>(expert - low);
  if (expert == kOutside) {
    *lowest_key = min(*lowest_key, refusal_key(choices, token, k, false));
  } else if (expert >= low && local < choices.num_local_experts) {
    const u64 bit = 1ull << (local % kSeenBits);
    const bool repeated = choices.num_local_experts > kSeenBits ? was_chosen(choices, token, k, expert)
                                                                : (visit->seen & bit) != 0;
    if (repeated) {
      *lowest_key = min(*lowest_key, refusal_key(choices, token, k, true));
    }
    visit->seen |= bit;
    visit->chosen = true;
    atomicAdd(&expert_counts[local], 1u);
  }
}

// By one thread: looks at kTokensPerThread tokens from `first` on and counts their choices among the
// experts of one rank. A bit for each that has any. All choices are read ahead of their use.
__device__ inline u32 visit_tokens(const Choices& choices, u64 first, u64 rank, u32* expert_counts,
                                   u64* lowest_key) {
  const i32 low = static_cast<i32>(rank * choices.num_local_experts);
  Visit visits[kTokensPerThread] = {};
  for (u32 first_k = 0; first_k < choices.topk; first_k += kChoicesAhead) {
    i32 experts[kTokensPerThread][kChoicesAhead];
#pragma unroll
    for (u32 i = 0; i < kTokensPerThread * kChoicesAhead; i++) {
      experts[i / kChoicesAhead][i % kChoicesAhead] =
          checked_expert_at(choices, first + i / kChoicesAhead, first_k + i % kChoicesAhead);
    }
#pragma unroll
    for (u32 i = 0; i < kTokensPerThread * kChoicesAhead; i++) {
      visit_choice(choices, first + i / kChoicesAhead, first_k + i % kChoicesAhead,
                   experts[i / kChoicesAhead][i % kChoicesAhead], low, expert_counts,
                   &visits[i / kChoicesAhead], lowest_key);
    }
  }
  u32 chosen = 0;
#pragma unroll
  for (u32 i = 0; i < kTokensPerThread; i++) {
    chosen |= visits[i].chosen ? 1u << i : 0;
  }
  return chosen;
}

// By a warp: sum of the values of the lanes before this one.
__device__ __forceinline__ u32 warp_sum_before(u32 value) {
  u32 sum = value;
#pragma unroll
  for (u32 step = 1; step < kWarpThreads; step *= 2) {
    const u32 below = __shfl_up_sync(0xffffffffu, sum, step);
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
  *total = __shfl_sync(0xffffffffu, warps_before + mine, kRouteWarps - 1);
  const u32 sum = __shfl_sync(0xffffffffu, warps_before, warp_idx()) + before;
  __syncthreads();
  return sum;
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
