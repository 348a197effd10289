// Where the selections of a low-latency dispatch go, and what the ranks announce of them.
//
// Without hooks rows can go straight to where they are packed. For that each rank announces, in words
// that need no flag beside them, that it takes part, the area of its result, and its rows for each expert.
// If all do, everybody knows the place of every row; if not, rows go through the lanes.
#pragma once

#include "ll_end.cuh"

namespace crossdock {

constexpr u32 kPlanWords = 8192;  // of shared memory
constexpr u32 kHeldChoices = 2;
constexpr u64 kOfferBit = 1;
constexpr u32 kAreaShift = 1;  // one bit: there are two areas
constexpr u32 kTermsShift = 2;
constexpr u32 kMaxSenders = 256;  // blocks that can each say that they sent their rows
static_assert(kMaxSenders % kWarpThreads == 0, "a warp looks at words of all its lanes");

// How the rows of a dispatch travel.
enum LlPath : u32 { kLlFailed = 0, kLlThroughLanes = 1, kLlDirect = 2, kLlUndecided = 3 };

__device__ __forceinline__ i64 ll_expert_at(const LlCall& call, u64 token, u64 k) {
  const u64 row = call.topk_idx + token * call.topk_idx_pitch;
  return call.index_bytes == sizeof(i64) ? pointer<const i64>(row)[k] : pointer<const i32>(row)[k];
}

// Rows that an expert has room for in a result.
__device__ __forceinline__ u64 ll_result_rows(const LlCall& call) {
  return call.terms.num_max_tokens * call.geometry.num_ranks;
}

__device__ __forceinline__ u64* ll_announcement(const LlCall& call, u64 receiver, u64 source, u64 epoch) {
  return pointer<u64>(peer_memory(call.geometry, receiver) + call.ll.announcements) +
         ll_lane(call, epoch, source);
}

__device__ __forceinline__ u64* ll_announced_counts(const LlCall& call, u64 receiver, u64 source, u64 epoch) {
  return pointer<u64>(peer_memory(call.geometry, receiver) + call.ll.counts +
                      ll_lane(call, epoch, source) * call.ll.counts_pitch);
}

// The lower bits of an announcement. Terms that differ show in some bits of it; the flags tell them apart.
__device__ inline u64 ll_offer(const LlCall& call, bool direct) {
  constexpr u32 kPrime = 0x01000193;
  u32 mixed = static_cast<u32>(call.terms.format) + 1;
  mixed = (mixed * kPrime) ^ static_cast<u32>(call.terms.num_experts);
  mixed = (mixed * kPrime) ^ static_cast<u32>(call.terms.num_max_tokens);
  mixed = (mixed ^ mixed >> 16) & 0xffff;
  return mixed << kTermsShift | call.area << kAreaShift | (direct ? kOfferBit : 0);
}

// By the first lanes of a block: announces the call to the peers that this block looks after. What the
// announcement is true of was done by kernels before. What a flag would say follows, for the words in which
// the block says later that its rows are there.
__device__ inline void ll_announce(const LlCall& call, u64 epoch, bool direct) {
  const u64 word = ll_tag(epoch) | ll_offer(call, direct);
  for (u64 peer = blockIdx.x + threadIdx.x * static_cast<u64>(gridDim.x); peer < call.geometry.num_ranks;
       peer += static_cast<u64>(gridDim.x) * blockDim.x) {
    debug_delay();
    st_relaxed_sys(ll_announcement(call, peer, call.geometry.rank, epoch), word);
    if (direct) {
      ll_write_terms(ll_flag(call, peer, call.geometry.rank, epoch), {ll_terms(call), kInLanes, false});
    }
  }
}

// By one warp: true if a wait for words that a peer was to store is over, which then is recorded.
__device__ __noinline__ bool ll_are_words_in_vain(const LlCall& call, u64 expected, u64 peer,
                                                  u64 waited_nanos) {
  if (__shfl_sync(kAllLanes, ld_relaxed_gpu(&local_state(call.geometry)->failed), 0) != 0) {
    return true;
  }
  const i32 origin = waited_nanos > kAbortGraceNanos ? find_state(call.geometry, kAborted) : -1;
  if (origin < 0 && waited_nanos <= call.geometry.timeout_nanos) {
    return false;
  }
  const u64 code = origin >= 0 ? kPeerAborted : kTimeout;
  record_failure(call.geometry, {code, origin >= 0 ? static_cast<u64>(origin) : peer, kAnnouncePhase,
                                 expected, 0, waited_nanos, 0, 0, 0});
  return true;
}

// By one warp, a word a lane, null for none: waits, bounded, until each word has the tag of `expected`.
__device__ inline bool ll_await_words(const LlCall& call, const u64* word, u64 expected, u64 peer,
                                      u64* seen) {
  const u64 start = global_timer();
  for (u32 turn = 1;; turn++) {
    *seen = word == nullptr ? expected : ld_acquire_sys(word);
    const u32 late = __ballot_sync(kAllLanes, *seen >> kTagShift != expected >> kTagShift);
    if (late == 0) {
      return true;
    }
    if (turn % kLooksAtOnce != 0) {
      continue;
    }
    const u64 waited = __shfl_sync(kAllLanes, global_timer(), 0) - start;
    if (ll_are_words_in_vain(call, expected, __shfl_sync(kAllLanes, peer, __ffs(late) - 1), waited)) {
      return false;
    }
  }
}

// By one warp: waits, bounded, until the first 32 blocks of a source, or all if there are less, have sent
// their rows.
__device__ inline bool ll_await_senders(const LlCall& call, u64 source, u64 epoch, u32* num_senders) {
  const u64* words = ll_sent_words(call, call.geometry.rank, source, epoch);
  const u64 start = global_timer();
  for (u32 turn = 1;; turn++) {
    const u64 seen = ld_acquire_sys(words + lane_idx());
    const u32 num = static_cast<u32>(ll_payload(__shfl_sync(kAllLanes, seen, 0)));
    const bool counts = lane_idx() == 0 || lane_idx() < num;
    if (!__any_sync(kAllLanes, counts && seen >> kTagShift != ll_tag(epoch) >> kTagShift)) {
      *num_senders = num;
      return true;
    }
    if (turn % kLooksAtOnce != 0) {
      continue;
    }
    const u64 waited = __shfl_sync(kAllLanes, global_timer(), 0) - start;
    if (ll_are_words_in_vain(call, ll_tag(epoch), source, waited)) {
      return false;
    }
  }
}

// By one warp: waits for the rows of a source, whose call must be this rank's.
__device__ inline bool ll_await_rows_from(const LlCall& call, u64 source, u64 epoch) {
  u32 num_senders = 0;
  if (!ll_await_senders(call, source, epoch, &num_senders)) {
    return false;
  }
  for (u32 first = kWarpThreads; first < num_senders; first += kWarpThreads) {
    const u32 sender = first + lane_idx();
    const u64* words = ll_sent_words(call, call.geometry.rank, source, epoch);
    u64 seen;
    if (!ll_await_words(call, sender < num_senders ? words + sender : nullptr, ll_tag(epoch), source,
                        &seen)) {
      return false;
    }
  }
  const LlTerms mine = ll_terms(call);
  const LlTerms theirs = ll_flag(call, call.geometry.rank, source, epoch)->terms;
  if (ll_agrees(mine, theirs)) {
    return true;
  }
  record_failure(call.geometry, {kMismatch, source, kReceivePhase, epoch, 0, 0, mine.kind, theirs.kind, 0});
  return false;
}

// By the first block, each warp for its sources: waits until all rows for this rank are there.
__device__ inline bool ll_await_rows(const LlCall& call, u64 epoch) {
  bool came = true;
  for (u64 source = warp_idx(); came && source < call.geometry.num_ranks; source += kLlWarps) {
    came = source == call.geometry.rank || ll_await_rows_from(call, source, epoch);
  }
  return came;
}

// The first warps cast, the last one finds places; those of few tokens leave this one idle.
constexpr u32 kAgreeingWarp = kLlWarps - 2;

// By a whole block: waits for the announcements of all ranks, or the flags of those that make another call.
// `areas`[R] gets where each one's result lies.
__device__ inline LlPath ll_agree_on_path(const LlCall& call, u64 epoch, u64* areas) {
  __shared__ LlPath path;
  if (warp_idx() == kAgreeingWarp) {
    const u64 words = reinterpret_cast<u64>(ll_announcement(call, call.geometry.rank, 0, epoch));
    const bool came = ll_await(
        call, {words, sizeof(u64), ll_tag(epoch), epoch, kAnnouncePhase, kTagShift, true, areas}, call.waits);
    const u64 terms = ll_offer(call, true) >> kTermsShift;
    bool direct = true;
    for (u64 peer = lane_idx(); came && peer < call.geometry.num_ranks; peer += kWarpThreads) {
      const u64 word = areas[peer];
      const u64 offer = ll_payload(word);
      const u64 area = offer >> kAreaShift & 1;
      direct = direct && word >> kTagShift == ll_tag(epoch) >> kTagShift && (offer & kOfferBit) != 0 &&
               offer >> kTermsShift == terms;
      areas[peer] = peer_memory(call.geometry, peer) + call.ll.areas + area * call.ll.area_pitch;
    }
    const bool all = __all_sync(kAllLanes, direct);
    if (lane_idx() == 0) {
      path = !came ? kLlFailed : all ? kLlDirect : kLlThroughLanes;
    }
  }
  __syncthreads();
  return path;
}

// The first choices that a thread looks at, loaded before it has to wait for anything.
struct LlHeld {
  i64 experts[kHeldChoices];
};

__device__ __forceinline__ LlHeld ll_hold_choices(const LlCall& call) {
  LlHeld held;
  const u32 topk = static_cast<u32>(call.topk);
#pragma unroll
  for (u32 i = 0; i < kHeldChoices; i++) {
    const u32 choice = threadIdx.x + i * kLlThreads;
    const u32 token = ll_token_at(call, choice);
    held.experts[i] = token < call.num_tokens ? ll_expert_at(call, token, choice - token * topk) : -1;
  }
  return held;
}

// For a run of experts, which tokens chose each, in shared memory.
struct LlPlan {
  u32 words;      // of an expert
  u32 num_chunk;  // experts that there is room for
  u32* bits;      // [experts][words]
  u32* totals;    // tokens of an expert
};

__device__ inline LlPlan ll_plan_in(const LlCall& call, u32* memory) {
  const u32 words = static_cast<u32>((call.num_tokens + kWarpThreads - 1) / kWarpThreads);
  const u32 num_chunk = min(static_cast<u32>(call.terms.num_experts), kPlanWords / (words + 1));
  u32* totals = memory + num_chunk * words;
  return {words, num_chunk, memory, totals};
}

__device__ __noinline__ void ll_refuse_choice(const LlCall& call, u64 token, u64 k, bool repeated) {
  atomicMin(atomic_word(&local_state(call.geometry)->refusal_key),
            (token * call.topk + k) * 2 + (repeated ? 1 : 0));
}

// Names the second choice of an expert that a token chose twice.
__device__ __noinline__ void ll_refuse_repeated(const LlCall& call, u64 token, i64 expert) {
  bool met = false;
  for (u64 k = 0; k < call.topk; k++) {
    if (ll_expert_at(call, token, k) == expert) {
      if (met) {
        ll_refuse_choice(call, token, k, true);
        return;
      }
      met = true;
    }
  }
}

// By one thread: marks a choice if its expert is one of those from `first` on. False if it is wrong.
__device__ inline bool ll_mark_choice(const LlCall& call, const LlPlan& plan, i64 first, u32 choice,
                                      i64 expert) {
  const u32 topk = static_cast<u32>(call.topk);
  const u32 token = ll_token_at(call, choice);
  if (expert < -1 || expert >= static_cast<i64>(call.terms.num_experts)) {
    ll_refuse_choice(call, token, choice - token * topk, false);
    return false;
  }
  if (expert < first || expert >= first + plan.num_chunk) {
    return true;
  }
  const u32 bit = 1u << token % kWarpThreads;
  const bool repeated =
      (atomicOr(plan.bits + (expert - first) * plan.words + token / kWarpThreads, bit) & bit) != 0;
  if (repeated) {
    ll_refuse_repeated(call, token, expert);
  }
  return !repeated;
}

// By a whole block: no choice is marked. The block must meet before it marks one.
__device__ inline void ll_clear_marks(const LlPlan& plan) {
  for (u32 i = threadIdx.x; i < plan.num_chunk * plan.words; i += kLlThreads) {
    plan.bits[i] = 0;
  }
}

// By a whole block: marks who chose the experts from `first` on. False if a choice of the call is wrong.
__device__ inline bool ll_mark_choices(const LlCall& call, const LlPlan& plan, const LlHeld& held,
                                       i64 first) {
  const u32 topk = static_cast<u32>(call.topk);
  const u32 num_choices = static_cast<u32>(call.num_tokens) * topk;
  bool right = true;
#pragma unroll
  for (u32 i = 0; i < kHeldChoices; i++) {
    const u32 choice = threadIdx.x + i * kLlThreads;
    right = (choice >= num_choices || ll_mark_choice(call, plan, first, choice, held.experts[i])) && right;
  }
  for (u32 choice = threadIdx.x + kHeldChoices * kLlThreads; choice < num_choices; choice += kLlThreads) {
    const u32 token = ll_token_at(call, choice);
    right =
        ll_mark_choice(call, plan, first, choice, ll_expert_at(call, token, choice - token * topk)) && right;
  }
  return __syncthreads_and(right ? 1 : 0) != 0;
}

// By a whole block: counts what was marked, and tells the peers that it looks after and the flags to come.
__device__ inline void ll_count_marks(const LlCall& call, const LlPlan& plan, u64 first, u64 epoch,
                                      bool announced) {
  const u32 num_experts =
      static_cast<u32>(min(static_cast<u64>(plan.num_chunk), call.terms.num_experts - first));
  for (u32 i = threadIdx.x; i < num_experts; i += kLlThreads) {
    u32 total = 0;
    for (u32 word = 0; word < plan.words; word++) {
      total += __popc(plan.bits[i * plan.words + word]);
    }
    plan.totals[i] = total;
    for (u64 peer = blockIdx.x; announced && peer < call.geometry.num_ranks; peer += gridDim.x) {
      st_relaxed_sys(ll_announced_counts(call, peer, call.geometry.rank, epoch) + first + i,
                     ll_tag(epoch) | total);
    }
    if (blockIdx.x == 0) {
      pointer<i32>(call.ll.expert_counts)[first + i] = static_cast<i32>(total);
    }
  }
}

// Tokens of lower experts of the same rank than the one that comes `i` after the first of a chunk. `carried`
// is what those before the chunk have.
__device__ inline u32 ll_tokens_below(const LlCall& call, const LlPlan& plan, u32 first, u32 i, u32 carried) {
  const u32 num_local = static_cast<u32>(call.num_local);
  const u32 low = ll_owner_of(call, first + i) * num_local;
  u32 below = low < first ? carried : 0;
#pragma unroll 8
  for (u32 other = low < first ? 0 : low - first; other < i; other++) {
    below += plan.totals[other];
  }
  return below;
}

// Tokens before this one that chose the expert.
__device__ __forceinline__ u32 ll_marks_before(const LlPlan& plan, u32 expert, u32 token) {
  const u32* bits = plan.bits + expert * plan.words;
  u32 count = __popc(bits[token / kWarpThreads] & ((1u << token % kWarpThreads) - 1));
  for (u32 word = 0; word < token / kWarpThreads; word++) {
    count += __popc(bits[word]);
  }
  return count;
}

// Where a choice of a token goes.
struct alignas(16) LlPlaced {
  i32 expert;  // -1 for none
  i32 rank;    // among the rows of this rank for the expert
  i32 slot;    // in the lane
};

// By one thread: the place of a choice that was left in the handle.
__device__ __forceinline__ LlPlaced ll_placed_at(const LlCall& call, u64 at) {
  return {pointer<const i32>(call.handle.choices)[at], pointer<const i32>(call.handle.ranks)[at],
          pointer<const i32>(call.handle.slots)[at]};
}

// Experts whose choices are marked.
struct LlChunk {
  LlPlan plan;
  i64 first;
  u32 carried;  // tokens of experts before the chunk, of the rank of its first one
};

// By one thread: leaves the place of a choice in the handle and in `placed`, if its expert is among those
// marked.
__device__ inline void ll_place_choice(const LlCall& call, const LlChunk& chunk, u32 at, LlPlaced* placed) {
  const LlPlan& plan = chunk.plan;
  const i64 first = chunk.first;
  const u32 token = ll_token_at(call, at);
  const i64 expert = ll_expert_at(call, token, at - token * static_cast<u32>(call.topk));
  LlPlaced place = {-1, 0, 0};
  if (expert >= first && expert < first + plan.num_chunk) {
    const u32 index = static_cast<u32>(expert - first);
    const u32 rank = ll_marks_before(plan, index, token);
    const u32 below = ll_tokens_below(call, plan, static_cast<u32>(first), index, chunk.carried);
    place = {static_cast<i32>(expert), static_cast<i32>(rank), static_cast<i32>(below + rank)};
    pointer<i32>(call.handle.ranks)[at] = place.rank;
    pointer<i32>(call.handle.slots)[at] = place.slot;
  } else if (expert >= 0) {
    return;
  }
  pointer<i32>(call.handle.choices)[at] = place.expert;
  if (placed != nullptr) {
    *placed = place;
  }
}

// The pieces of rows that a block sends, dealt like cards.
struct LlShare {
  u32 num_pieces;  // of this block
  u32 pieces_per_row;
};

__device__ __forceinline__ LlShare ll_share_of(const LlCall& call, u64 pieces_per_row) {
  const u32 all = static_cast<u32>(call.num_tokens * pieces_per_row);
  return {all > blockIdx.x ? (all - blockIdx.x - 1) / gridDim.x + 1 : 0, static_cast<u32>(pieces_per_row)};
}

__device__ __forceinline__ u32 ll_token_of(const LlShare& share, u32 piece) {
  return (blockIdx.x + piece * gridDim.x) / share.pieces_per_row;
}

// What a block plans from.
struct LlPlanning {
  LlShare share;
  LlHeld held;
  u32* memory;       // shared
  bool direct;       // the counts are announced
  LlPlaced* placed;  // shared: those of the block's first selections
  u32 num_placed;
};

// By a whole block: the places of those selections of its pieces whose experts are marked. The last threads
// begin, since the first have most to do with a few tokens.
__device__ inline void ll_place_choices(const LlCall& call, const LlPlanning& planning,
                                        const LlChunk& chunk) {
  const u32 topk = static_cast<u32>(call.topk);
  for (u32 i = kLlThreads - 1 - threadIdx.x; i < planning.share.num_pieces * topk; i += kLlThreads) {
    const u32 piece = ll_token_at(call, i);
    const u32 at = ll_token_of(planning.share, piece) * topk + (i - piece * topk);
    ll_place_choice(call, chunk, at, i < planning.num_placed ? planning.placed + i : nullptr);
  }
}

// By a whole block: finds the places of all selections of this block's pieces, and announces the call and
// its counts if it began. False if a choice of the call is wrong, or it did not begin. The plan is clear
// before. The block must meet before it looks at the places.
__device__ inline bool ll_plan(const LlCall& call, const LlPlanning& planning, const LlBeginning& beginning,
                               u64 epoch) {
  LlChunk chunk = {ll_plan_in(call, planning.memory), 0, 0};
  const LlPlan& plan = chunk.plan;
  const u64 num_local = call.num_local;
  for (u64 first = 0; first < call.terms.num_experts; first += plan.num_chunk) {
    if (first != 0) {
      ll_clear_marks(plan);
      __syncthreads();
    }
    chunk.first = static_cast<i64>(first);
    if (!ll_mark_choices(call, plan, planning.held, chunk.first) || beginning.ready == 0) {
      return false;
    }
    const bool offered = planning.direct && beginning.unmasked != 0;
    ll_count_marks(call, plan, first, epoch, offered);
    if (call.ll.may_shrink == 0 && first + plan.num_chunk >= call.terms.num_experts) {
      ll_announce(call, epoch, offered);
    }
    __syncthreads();
    ll_place_choices(call, planning, chunk);
    if (first + plan.num_chunk < call.terms.num_experts) {
      const u32 last = plan.num_chunk - 1;
      const u32 below = ll_tokens_below(call, plan, static_cast<u32>(first), last, chunk.carried);
      const bool cut = (first + plan.num_chunk) % num_local != 0;
      chunk.carried = cut ? below + plan.totals[last] : 0;
      __syncthreads();
    }
  }
  return true;
}

}  // namespace crossdock
