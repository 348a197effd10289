// Rows between lanes and packed results move as runs: what one source sent to one local expert lies
// together at both ends.
#pragma once

#include "lowlatency.cuh"

namespace crossdock {

constexpr u32 kRunParts = 8;  // that warps of one or more blocks share a run in
constexpr u32 kRunsAtOnce = 64;

struct LlRun {
  u64 source;
  u64 expert;
  u64 slot;  // where it begins in the source's lane
  u64 row;   // where it begins among the rows of the expert
  u64 num_rows;
};

// Some parts of all runs: those of a block, from a given one on.
struct LlParts {
  u32 begin;
  u32 end;
};

__device__ __forceinline__ LlParts ll_parts_of(u64 num_parts) {
  const u32 num = static_cast<u32>(num_parts);
  const u32 each = num / gridDim.x;
  const u32 more = num - each * gridDim.x;  // blocks that have one more
  const u32 begin = blockIdx.x * each + min(blockIdx.x, more);
  return {begin, begin + each + (blockIdx.x < more ? 1 : 0)};
}

// How the warps of a block come to the parts of runs.
enum class LlDealing : u32 {
  kInTurn,
  kOnDemand,  // the next when one is done, for parts that take different times
};

// By one warp: the next number that no warp of the block took.
__device__ __forceinline__ u32 ll_take_part(u32* taken) {
  return __shfl_sync(kAllLanes, lane_idx() == 0 ? atomicAdd(taken, 1u) : 0, 0);
}

// By a whole block: `find(source, expert)` tells of a run, `move(run, part)` moves a part of it; each is
// called by a whole warp. `may_move()` is asked once the first runs were found, when the block has met; false
// if it says no.
template <typename Find, typename MayMove, typename Move>
__device__ inline bool ll_move_runs(const LlCall& call, LlDealing dealing, Find find, MayMove may_move,
                                    Move move) {
  __shared__ LlRun runs[kRunsAtOnce];
  __shared__ u32 taken;
  u32 turn = warp_idx();
  const auto next = [&] {
    const u32 own = turn;
    turn += kLlWarps;
    return dealing == LlDealing::kInTurn ? own : ll_take_part(&taken);
  };
  const u32 num_ranks = static_cast<u32>(call.geometry.num_ranks);
  const LlParts parts = ll_parts_of(ll_num_local(call) * num_ranks * kRunParts);
  u32 begin = parts.begin;
  do {
    const u32 first = begin / kRunParts;
    const u32 end = min(parts.end, (first + kRunsAtOnce) * kRunParts);
    for (u32 i = first + warp_idx(); i * kRunParts < end; i += kLlWarps) {
      const u32 expert = i / num_ranks;
      const LlRun run = find(i - expert * num_ranks, expert);
      if (lane_idx() == 0) {
        runs[i - first] = run;
      }
    }
    if (threadIdx.x == 0) {
      taken = 0;
    }
    turn = warp_idx();
    __syncthreads();
    if (begin == parts.begin && !may_move()) {
      return false;
    }
    for (u32 i = begin + next(); i < end; i = begin + next()) {
      move(runs[i / kRunParts - first], i % kRunParts);
    }
    __syncthreads();
    begin = end;
  } while (begin < parts.end);
  return true;
}

// By one warp: sums of counts, given how many ranks and experts come before a run.
template <typename Count>
__device__ __forceinline__ LlRun ll_run_from(u64 source, u64 expert, Count count) {
  u32 rows = 0;
  for (u64 before = lane_idx(); before < source; before += kWarpThreads) {
    rows += count(before, expert);
  }
  u32 slots = 0;
  for (u64 before = lane_idx(); before < expert; before += kWarpThreads) {
    slots += count(source, before);
  }
  const u64 num_rows = count(source, expert);
  return {source, expert, __reduce_add_sync(kAllLanes, slots), __reduce_add_sync(kAllLanes, rows), num_rows};
}

// By one warp: a part of bytes that lie together at both ends.
__device__ __forceinline__ void ll_copy_part(u64 to, u64 from, u64 num_bytes, u32 part) {
  const u64 words = num_bytes / sizeof(uint4);
  const u64 begin = part * words / kRunParts;
  const u64 end = (part + 1) * words / kRunParts;
  const u64 shift = begin * sizeof(uint4);
  copy_bytes_by(to + shift, from + shift, (end - begin) * sizeof(uint4), lane_idx(), kWarpThreads);
}

}  // namespace crossdock
