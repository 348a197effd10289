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
  u64 begin;
  u64 end;
};

__device__ __forceinline__ LlParts ll_parts_of(u64 num_parts) {
  return {num_parts * blockIdx.x / gridDim.x, num_parts * (blockIdx.x + 1) / gridDim.x};
}

// By a whole block: `find(source, expert)` tells of a run, `move(run, part)` moves a part of it; each is
// called by a whole warp.
template <typename Find, typename Move>
__device__ inline void ll_move_runs(const LlCall& call, Find find, Move move) {
  __shared__ LlRun runs[kRunsAtOnce];
  const u64 num_ranks = call.geometry.num_ranks;
  const LlParts parts = ll_parts_of(ll_num_local(call) * num_ranks * kRunParts);
  for (u64 begin = parts.begin; begin < parts.end;) {
    const u64 first = begin / kRunParts;
    const u64 end = min(parts.end, (first + kRunsAtOnce) * kRunParts);
    for (u64 i = first + warp_idx(); i * kRunParts < end; i += kLlWarps) {
      const u64 expert = i / num_ranks;
      const LlRun run = find(i - expert * num_ranks, expert);
      if (lane_idx() == 0) {
        runs[i - first] = run;
      }
    }
    __syncthreads();
    for (u64 i = begin + warp_idx(); i < end; i += kLlWarps) {
      move(runs[i / kRunParts - first], static_cast<u32>(i % kRunParts));
    }
    __syncthreads();
    begin = end;
  }
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
