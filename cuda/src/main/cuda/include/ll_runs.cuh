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

// A part of a run that a warp is to move. No run: there is none left.
struct LlRunPart {
  const LlRun* run;  // shared
  u32 part;
};

// By a whole block: `find(source, expert)` tells of a run, `move(next)` moves the parts that `next()` deals
// out; each is called by a whole warp. `may_move()` is asked once the first runs were found, when the block
// has met; false if it says no.
template <typename Find, typename MayMove, typename Move>
__device__ inline bool ll_move_runs(const LlCall& call, LlDealing dealing, Find find, MayMove may_move,
                                    Move move) {
  __shared__ LlRun runs[kRunsAtOnce];
  __shared__ u32 taken;
  u32 turn = warp_idx();
  const auto take = [&] {
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
    move([&]() -> LlRunPart {
      const u32 i = begin + take();
      return {i < end ? &runs[i / kRunParts - first] : nullptr, i % kRunParts};
    });
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

// Words that lie together at both ends.
struct LlSpan {
  u64 from;
  u64 to;
  u32 num_words;
};

// A part of a run of so many bytes.
__device__ __forceinline__ LlSpan ll_span_of(u64 to, u64 from, u64 num_bytes, u32 part) {
  const u64 words = num_bytes / sizeof(uint4);
  const u64 begin = part * words / kRunParts;
  const u64 end = (part + 1) * words / kRunParts;
  return {from + begin * sizeof(uint4), to + begin * sizeof(uint4), static_cast<u32>(end - begin)};
}

constexpr u32 kSpanAhead = 8;  // words of a lane that are under way
constexpr u32 kSpanGroup = 4;  // of them, that are waited for together
constexpr u32 kMaxSpanWords = kSpanAhead * kWarpThreads;

// By one warp: stores a group of words of one span once they are there, and then loads the same of the next.
__device__ __forceinline__ void ll_pass_words(const LlSpan& now, const LlSpan& ahead, u32 first,
                                              uint4 words[kSpanGroup]) {
#pragma unroll
  for (u32 i = 0; i < kSpanGroup; i++) {
    const u32 at = (first + i) * kWarpThreads + lane_idx();
    if (at < now.num_words) {
      st_no_allocate(pointer<uint4>(now.to) + at, words[i]);
    }
  }
#pragma unroll
  for (u32 i = 0; i < kSpanGroup; i++) {
    const u32 at = (first + i) * kWarpThreads + lane_idx();
    if (at < ahead.num_words) {
      words[i] = ld_no_allocate(pointer<const uint4>(ahead.from) + at);
    }
  }
}

// By one warp: copies the aligned spans that `next()` tells of, the last of which is empty, so that some
// loads are always under way.
template <typename Next>
__device__ __forceinline__ void ll_stream_spans(Next next) {
  LlSpan rest = {0, 0, 0};
  const auto take = [&]() -> LlSpan {
    if (rest.num_words == 0) {
      rest = next();
    }
    const LlSpan some = {rest.from, rest.to, min(rest.num_words, kMaxSpanWords)};
    rest = {rest.from + kMaxSpanWords * sizeof(uint4), rest.to + kMaxSpanWords * sizeof(uint4),
            rest.num_words - some.num_words};
    return some;
  };
  uint4 words[kSpanAhead] = {};
  LlSpan now = {0, 0, 0};
  LlSpan ahead = take();
  do {
#pragma unroll
    for (u32 first = 0; first < kSpanAhead; first += kSpanGroup) {
      ll_pass_words(now, ahead, first, words + first);
    }
    now = ahead;
    if (now.num_words != 0) {
      ahead = take();
    }
  } while (now.num_words != 0);
}

// By one warp: the same one by one, however they are aligned.
template <typename Next>
__device__ __forceinline__ void ll_copy_spans(Next next) {
  for (LlSpan span = next(); span.num_words != 0; span = next()) {
    copy_bytes_by(span.to, span.from, span.num_words * sizeof(uint4), lane_idx(), kWarpThreads);
  }
}

// How a kernel copies spans.
enum class LlCopying : u32 {
  kStreamed,
  kOneByOne,  // where registers are rare
};

}  // namespace crossdock
