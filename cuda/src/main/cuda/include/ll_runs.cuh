// Rows between lanes and packed results move as runs: what one source sent to one local expert lies
// together at both ends.
#pragma once

#include "lowlatency.cuh"

namespace crossdock {

constexpr u32 kRunsAtOnce = 2 * kLlThreads;  // those of some experts
static_assert(kRunsAtOnce >= kMaxLowLatencyRanks);

struct LlRun {
  u32 source;
  u32 expert;
  u32 slot;  // where it begins in the source's lane
  u32 row;   // where it begins among the rows of the expert
  u32 num_rows;
};

// Some parts of all there are: those of a block, from a given one on.
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

// The runs of some experts in a row: by expert, then by source.
struct LlRuns {
  u32 first_expert;
  u32 num_ranks;
  u32 num_runs;
  const u32* begins;  // shared: how many rows lie before each run, and in all
  u32* taken;         // shared: rows that warps of the block took
};

// By a whole block: where runs begin, of which `count(source, expert)` tells the rows.
template <typename Count>
__device__ __forceinline__ void ll_find_runs(const LlRuns& runs, Count count, u32* begins) {
  __shared__ u32 totals[kLlWarps];
  const u32 i = 2 * threadIdx.x;
  const u32 expert = i / runs.num_ranks;
  const u32 source = i - expert * runs.num_ranks;
  const bool is_last = source + 1 == runs.num_ranks;
  const u32 even = i < runs.num_runs ? count(source, runs.first_expert + expert) : 0;
  const u32 odd = i + 1 < runs.num_runs
                      ? count(is_last ? 0 : source + 1, runs.first_expert + expert + (is_last ? 1 : 0))
                      : 0;
  u32 through = even + odd;
#pragma unroll
  for (u32 step = 1; step < kWarpThreads; step *= 2) {
    const u32 below = __shfl_up_sync(kAllLanes, through, step);
    through += lane_idx() >= step ? below : 0;
  }
  if (lane_idx() == kWarpThreads - 1) {
    totals[warp_idx()] = through;
  }
  __syncthreads();
  through += __reduce_add_sync(kAllLanes, lane_idx() < warp_idx() ? totals[lane_idx()] : 0);
  begins[i] = through - even - odd;
  begins[i + 1] = through - odd;
  if (threadIdx.x == kLlThreads - 1) {
    begins[kRunsAtOnce] = through;
    *runs.taken = 0;
  }
  __syncthreads();
}

// By a whole block: `move(runs)` moves rows, experts by experts. `may_move()` is asked once the first runs
// were found, when the block has met; false if it says no.
template <typename Count, typename MayMove, typename Move>
__device__ inline bool ll_move_runs(const LlCall& call, Count count, MayMove may_move, Move move) {
  __shared__ u32 begins[kRunsAtOnce + 1];
  __shared__ u32 taken;
  const u32 num_ranks = static_cast<u32>(call.geometry.num_ranks);
  const u32 num_local = static_cast<u32>(call.num_local);
  const u32 at_once = kRunsAtOnce / num_ranks;
  for (u32 first = 0; first < num_local; first += at_once) {
    const LlRuns runs = {first, num_ranks, min(num_local - first, at_once) * num_ranks, begins, &taken};
    ll_find_runs(runs, count, begins);
    if (first == 0 && !may_move()) {
      return false;
    }
    move(runs);
    __syncthreads();
  }
  return true;
}

// By one warp: one of the runs.
template <typename Count>
__device__ __forceinline__ LlRun ll_run_at(const LlRuns& runs, u32 i, Count count) {
  const u32 expert = i / runs.num_ranks;
  const u32 source = i - expert * runs.num_ranks;
  u32 slots = 0;
#pragma unroll 1
  for (u32 back = (lane_idx() + 1) * runs.num_ranks; back <= i; back += kWarpThreads * runs.num_ranks) {
    slots += runs.begins[i - back + 1] - runs.begins[i - back];
  }
#pragma unroll 1
  for (u32 before = lane_idx(); before < runs.first_expert; before += kWarpThreads) {
    slots += count(source, before);
  }
  const u32 begin = runs.begins[i];
  return {source, runs.first_expert + expert, __reduce_add_sync(kAllLanes, slots),
          begin - runs.begins[i - source], runs.begins[i + 1] - begin};
}

// By one warp: the run that a row of all is in.
__device__ __forceinline__ u32 ll_run_of(const LlRuns& runs, u32 row) {
  u32 begun = 0;
#pragma unroll 2
  for (u32 i = lane_idx(); i < runs.num_runs; i += kWarpThreads) {
    begun += runs.begins[i] <= row ? 1 : 0;
  }
  return __reduce_add_sync(kAllLanes, begun) - 1;
}

// By one warp: the next row of the block's share that no warp of the block took; -1 if there is none.
__device__ __forceinline__ i64 ll_take_row(const LlRuns& runs) {
  const LlParts rows = ll_parts_of(runs.begins[runs.num_runs]);
  const u32 taken = __shfl_sync(kAllLanes, lane_idx() == 0 ? atomicAdd(runs.taken, 1u) : 0, 0);
  return taken < rows.end - rows.begin ? static_cast<i64>(rows.begin + taken) : -1;
}

constexpr u32 kLineBytes = 128;
constexpr u32 kLineWords = kLineBytes / sizeof(uint4);

// Of the lanes of a combine a quarter stays in the cache until it is read and given up: more would not fit,
// and giving up takes time. Which one is told by the address.
constexpr u32 kKeptShift = 9;
constexpr u64 kKeptMask = 3;

__device__ __forceinline__ bool ll_is_kept(u64 address) {
  return (address >> kKeptShift & kKeptMask) == kKeptMask;
}

constexpr u32 kPieceLines = 128;  // that a warp takes at a time, at most

// How a block shares its part of all words of rows among its warps, which take pieces in turn. All blocks
// have as many lines, but for one, and all warps as many pieces. Lines are not divided if rows are made of
// whole ones.
struct LlPieces {
  u32 at;   // line at which this warp's next piece begins
  u32 end;  // of the block's lines
  u32 num_lines;  // of a piece
  u64 num_words;  // in all
  u32 row_words;
};

__device__ __forceinline__ LlPieces ll_pieces_of(const LlRuns& runs, u32 row_words) {
  const u64 num_words = static_cast<u64>(runs.begins[runs.num_runs]) * row_words;
  const LlParts lines = ll_parts_of((num_words + kLineWords - 1) / kLineWords);
  const u32 most = kLlWarps * kPieceLines;
  const u32 num_pieces = max((lines.end - lines.begin + most - 1) / most, 1u) * kLlWarps;
  const u32 num_lines = (lines.end - lines.begin + num_pieces - 1) / num_pieces;
  return {lines.begin + warp_idx() * num_lines, lines.end, num_lines, num_words, row_words};
}

// Words of a run that a warp is to move; none if there are none left.
struct LlRunPart {
  LlRun run;
  u32 first;
  u32 num_words;
};

// Where a warp is in a piece.
struct LlInPiece {
  u32 num_words;  // that are left of it
  u32 run;        // that they begin in
  u32 word;       // of the run
};

// By one warp: takes the next part of a run, of a piece of its own.
template <typename Count>
__device__ __forceinline__ LlRunPart ll_take_part(const LlRuns& runs, LlPieces* pieces, LlInPiece* in,
                                                  Count count) {
  if (in->num_words == 0) {
    if (pieces->at >= pieces->end) {
      return {{0, 0, 0, 0, 0}, 0, 0};
    }
    const u64 begin = static_cast<u64>(pieces->at) * kLineWords;
    const u32 num_lines = min(pieces->num_lines, pieces->end - pieces->at);
    const u32 row = static_cast<u32>(begin / pieces->row_words);
    const u32 run = ll_run_of(runs, row);
    *in = {static_cast<u32>(min(static_cast<u64>(num_lines * kLineWords), pieces->num_words - begin)), run,
           static_cast<u32>(begin - static_cast<u64>(runs.begins[run]) * pieces->row_words)};
    pieces->at += kLlWarps * pieces->num_lines;
  }
  while (runs.begins[in->run + 1] == runs.begins[in->run]) {
    in->run++;
  }
  const LlRun run = ll_run_at(runs, in->run, count);
  const u32 first = in->word;
  const u32 num_words = min(in->num_words, run.num_rows * pieces->row_words - first);
  *in = {in->num_words - num_words, in->run + 1, 0};
  return {run, first, num_words};
}

// Words that lie together at both ends.
struct LlSpan {
  u64 from;
  u64 to;
  u32 num_words;
};

__device__ __forceinline__ LlSpan ll_span_of(u64 from, u64 to, const LlRunPart& part) {
  const u64 first_bytes = static_cast<u64>(part.first) * sizeof(uint4);
  return {from + first_bytes, to + first_bytes, part.num_words};
}

constexpr u32 kSpanAhead = 8;  // words of a lane that are under way
constexpr u32 kSpanGroup = 4;  // of them, that are waited for together
constexpr u32 kMaxSpanWords = kSpanAhead * kWarpThreads;

// Between which places a stream of spans goes.
enum class LlStream : u32 {
  kOutOfLanes,  // what was copied is no longer needed where it was
  kIntoLanes,   // some of it stays in the cache
};

// By one warp: stores a group of words of one span once they are there, and then loads the same of the next.
template <LlStream kStream>
__device__ __forceinline__ void ll_pass_words(const LlSpan& now, const LlSpan& ahead, u32 first, u64 keeping,
                                              uint4 words[kSpanGroup]) {
#pragma unroll
  for (u32 i = 0; i < kSpanGroup; i++) {
    const u32 at = (first + i) * kWarpThreads + lane_idx();
    if (at < now.num_words) {
      uint4* to = pointer<uint4>(now.to) + at;
      if (kStream == LlStream::kIntoLanes && ll_is_kept(reinterpret_cast<u64>(to))) {
        st_no_allocate(to, words[i], keeping);
      } else {
        st_no_allocate(to, words[i]);
      }
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

// By one warp: the lines of what was read, if it is aligned, are no longer needed.
__device__ __forceinline__ void ll_discard_span(const LlSpan& read) {
  __syncwarp();
  if (lane_idx() < read.num_words / kLineWords && is_aligned(read.from, kLineBytes)) {
    discard_l2(pointer<char>(read.from) + lane_idx() * kLineBytes);
  }
}

// By one warp: copies the aligned spans that `next()` tells of, the last of which is empty, so that some
// loads are always under way.
template <LlStream kStream, typename Next>
__device__ __forceinline__ void ll_stream_spans(Next next) {
  const u64 keeping = createpolicy_evict_last();
  uint4 words[kSpanAhead] = {};
  LlSpan now = {0, 0, 0};
  LlSpan rest = {0, 0, 0};
  do {
    if (rest.num_words == 0) {
      rest = next();
    }
    const LlSpan ahead = {rest.from, rest.to, min(rest.num_words, kMaxSpanWords)};
    rest = {rest.from + kMaxSpanWords * sizeof(uint4), rest.to + kMaxSpanWords * sizeof(uint4),
            rest.num_words - ahead.num_words};
#pragma unroll
    for (u32 first = 0; first < kSpanAhead; first += kSpanGroup) {
      ll_pass_words<kStream>(now, ahead, first, keeping, words + first);
    }
    if (kStream == LlStream::kOutOfLanes) {
      ll_discard_span(now);
    }
    now = ahead;
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
