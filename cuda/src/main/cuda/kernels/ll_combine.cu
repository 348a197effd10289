// Low-latency combine: in two halves, a kernel each, or as a whole; and the small calls.
//
//   ll_reply     all blocks   expert outputs into the lanes of their homes; this rank's own may stay
//                first block  flags, once the others left
//   ll_sum       all blocks   await the flags; for k ascending acc = fma(weight, row, acc)
//                first block  completed, once the others left
//   ll_move_own  rows for this rank itself that ll_reply left where they were, if they cannot stay
//   ll_combine   both halves in one kernel
//   ll_combine_in_place   the same for outputs that lie in the area. Those of a direct dispatch do not move:
//                the flags come first, and the homes read the rows where they are.
//   ll_clean     flags, await them
//   ll_refuse    this rank's call is invalid
//   ll_await_pulled   until all ranks have read the outputs of an area
#include "../include/ll_sums.cuh"

namespace crossdock {

// By some threads together: notes the first choice that is wrong. The choice of the dispatch at the same
// place, most often the same, is loaded beside it. False for a thread that found a wrong one.
__device__ inline bool ll_check_choices(const LlCall& call, u64 first, u64 stride) {
  const u32 topk = static_cast<u32>(call.topk);
  const u64 num_choices = call.num_tokens * topk;
  bool right = true;
  for (u64 i = first; i < num_choices; i += stride) {
    const u64 token = ll_token_at(call, static_cast<u32>(i));
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

// A run between the outputs and the lane of its home.
struct LlReplyEnds {
  u64 from;
  u64 to;
};

// The rows that a source had for a local expert.
__device__ __forceinline__ u32 ll_received(const LlCall& call, u64 source, u64 expert) {
  return static_cast<u32>(pointer<const i32>(call.handle.counts)[source * call.num_local + expert]);
}

// Runs leave out own rows that stay.
__device__ __forceinline__ LlReplyEnds ll_reply_ends(const LlCall& call, const LlRun& run, u64 y, u64 epoch) {
  const u64 rank = call.geometry.rank;
  const u64 left_out = call.own_stay != 0 && run.source > rank ? ll_received(call, rank, run.expert) : 0;
  const u64 first = run.expert * (call.terms.num_max_tokens * call.geometry.num_ranks) + run.row + left_out;
  return {y + first * call.ll.hidden * sizeof(__nv_bfloat16),
          ll_combine_lane(call, run.source, call.geometry.rank, epoch) + run.slot * ll_reply_pitch(call)};
}

// By one warp: encodes rows of the block's share, each the next when one is done; `counts(run)` says whether
// those of a run are to move.
template <typename Count, typename Counts>
__device__ __forceinline__ void ll_reply_encoded(const LlCall& call, const LlRuns& runs, u64 y, u64 epoch,
                                                 Count count, Counts counts) {
  const u64 row_bytes = call.ll.hidden * sizeof(__nv_bfloat16);
  for (i64 row = ll_take_row(runs); row >= 0; row = ll_take_row(runs)) {
    const u32 i = ll_run_of(runs, static_cast<u32>(row));
    const LlRun run = ll_run_at(runs, i, count);
    if (counts(run)) {
      const LlReplyEnds ends = ll_reply_ends(call, run, y, epoch);
      const u64 within = static_cast<u64>(row) - runs.begins[i];
      log_encode_row(ends.from + within * row_bytes, ends.to + within * ll_reply_pitch(call),
                     call.ll.hidden);
    }
  }
}

// By one warp: copies its share of them.
template <LlCopying kCopying, typename Count, typename Counts>
__device__ __forceinline__ void ll_reply_plain(const LlCall& call, const LlRuns& runs, u64 y, u64 epoch,
                                               Count count, Counts counts) {
  LlPieces pieces = ll_pieces_of(runs, static_cast<u32>(ll_reply_pitch(call) / sizeof(uint4)));
  LlInPiece in = {0, 0, 0};
  const auto next_span = [&]() -> LlSpan {
    for (;;) {
      const LlRunPart part = ll_take_part(runs, &pieces, &in, count);
      if (part.num_words == 0) {
        return {0, 0, 0};
      }
      if (counts(part.run)) {
        const LlReplyEnds ends = ll_reply_ends(call, part.run, y, epoch);
        return ll_span_of(ends.from, ends.to, part);
      }
    }
  };
  if (kCopying == LlCopying::kStreamed && is_aligned(y, sizeof(uint4))) {
    ll_stream_spans<LlStream::kIntoLanes>(next_span);
  } else {
    ll_copy_spans(next_span);
  }
}

// By a whole block: its part of the outputs into the lanes, unless the call cannot begin, which the block
// knows when it has met.
template <LlCopying kCopying>
__device__ inline bool ll_reply_rows(const LlCall& call, const LlBeginning& beginning, u64 y, u64 epoch) {
  const u32 left_out = static_cast<u32>(call.own_stay != 0 ? call.geometry.rank : call.geometry.num_ranks);
  const auto count = [&](u32 source, u32 expert) -> u32 {
    return source == left_out ? 0 : ll_received(call, source, expert);
  };
  return ll_move_runs(
      call, count, [&] { return beginning.ready != 0; },
      [&](const LlRuns& runs) {
        const bool all_count = beginning.at_once != 0 && beginning.unmasked != 0;
        const auto counts = [&](const LlRun& run) { return all_count || !is_masked(call, run.source); };
        if (is_encoded(call)) {
          ll_reply_encoded(call, runs, y, epoch, count, counts);
        } else {
          ll_reply_plain<kCopying>(call, runs, y, epoch, count, counts);
        }
      });
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

// By a whole block that begins a combine: sends the outputs. False for a thread if the call fails.
template <LlCopying kCopying>
__device__ inline bool ll_reply_through_lanes(const LlCall& call, const LlBeginning& beginning, u64 y,
                                              u64 epoch) {
  const bool right = ll_check_choices(call, grid_thread_idx(), grid_threads());
  return ll_reply_rows<kCopying>(call, beginning, y, epoch) && right;
}

extern "C" __global__ void __launch_bounds__(kLlThreads, 1)
    ll_reply(const __grid_constant__ LlReplyArgs args) {
  grid_dependency_wait();
  const LlCall& call = args.call;
  const u64 epoch = current_epoch(call.geometry);
  const LlBeginning& beginning = ll_begin(call, epoch);
  bool well = ll_reply_through_lanes<LlCopying::kStreamed>(call, beginning, args.y, epoch);
  if (beginning.ready != 0 && blockIdx.x == 0) {
    ll_write_flags(call, {ll_terms(call), kInLanes, false}, epoch);
  }
  well = ll_leave(call, well, LlLeft::kRows, epoch);
  if (blockIdx.x == 0) {
    ll_end_sending(call, beginning, well, epoch, [&] { ll_publish_unreplied(call, epoch); });
  }
}

// By a whole block whose sums are done, which only the host reads before the grid is over: leaves. Peers
// write to the lanes of a receive half once lines were given up. The first block ends the call, whose `after`
// holds if all blocks fared well.
__device__ inline void ll_end_sums(const LlCall& call, bool well, u64 epoch, LlEnding ending,
                                   const LlAfter& after) {
  const bool own_alone = ending == kLlWhole && !ll_reports(call);
  well = ll_leave(call, well, own_alone ? LlLeft::kNothing : LlLeft::kRows, epoch);
  if (blockIdx.x != 0) {
    return;
  }
  well = ll_await_others(call, well);
  if (warp_idx() != 0) {
    return;
  }
  if (well) {
    ll_end_well(call, epoch, ending, after);
  } else {
    ll_end(call, epoch, ending);
  }
}

extern "C" __global__ void __launch_bounds__(kLlThreads, 1) ll_sum(const __grid_constant__ LlSumArgs args) {
  __shared__ LlSummand summands[kMaxSummands];
  grid_dependency_wait();
  const LlCall& call = args.call;
  const u64 epoch = ld_relaxed_gpu(pointer<const u64>(call.call_epoch));
  if (epoch == 0) {
    ll_end_beside(call);
    return;
  }
  const LlBeginning& beginning = ll_resume(call, epoch);
  const LlFound found = ll_find_first<true>(call, args.sums, 0, summands);
  const bool well = ll_await_sums<true>(call, args.sums, epoch, found, summands);
  ll_end_sums(call, well, epoch, kLlComplete, beginning.after);
}

// By a whole block of a combine in one kernel: the outputs go through the lanes, then the flags. Those of a
// call that fails do not come, not even this rank's own.
__device__ __forceinline__ void ll_reply_at_once(const LlCall& call, const LlBeginning& beginning, u64 y,
                                                 u64 epoch) {
  ll_reply_through_lanes<LlCopying::kOneByOne>(call, beginning, y, epoch);
  if (is_last_arrival(&local_state(call.geometry)->arrivals)) {
    ll_publish_replied(call, epoch);
  }
}

// The same for outputs that were to stay in place. A function of its own, since it would take registers of
// the rest.
__device__ __noinline__ void ll_reply_after_all(const LlCall& call, u64 y, u64 epoch) {
  ll_reply_at_once(call, ll_begin(call, epoch), y, epoch);
}

// Own rows that were to stay where they are do not, since others come there before they are summed.
extern "C" __global__ void __launch_bounds__(kLlThreads, 1)
    ll_move_own(const __grid_constant__ LlReplyArgs args) {
  grid_dependency_wait();
  const LlCall& call = args.call;
  const u64 epoch = ld_relaxed_gpu(pointer<const u64>(call.call_epoch));
  const auto count = [&](u32 source, u32 expert) { return ll_received(call, source, expert); };
  const auto is_own = [&](const LlRun& run) { return run.source == call.geometry.rank; };
  if (epoch != 0) {
    ll_move_runs(
        call, count, [] { return true; },
        [&](const LlRuns& runs) {
          ll_reply_plain<LlCopying::kOneByOne>(call, runs, args.y, epoch, count, is_own);
        });
  }
  ll_end_beside(call);
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

extern "C" __global__ void __launch_bounds__(kLlThreads, 1)
    ll_combine(const __grid_constant__ LlCombineArgs args) {
  __shared__ LlSummand summands[kMaxSummands];
  grid_dependency_wait();
  const LlCall& call = args.call;
  const u64 epoch = current_epoch(call.geometry);
  const LlBeginning& beginning = ll_begin(call, epoch);
  const LlFound found = ll_find_first<false>(call, args.sums, 0, summands);
  ll_reply_at_once(call, beginning, args.y, epoch);
  const bool well = ll_await_sums<false>(call, args.sums, epoch, found, summands);
  ll_end_sums(call, well, epoch, kLlWhole, beginning.after);
}

// The first block comes late to its sums, since it checks the call. It has a turn of its warps less.
extern "C" __global__ void __launch_bounds__(kLlThreads, 1)
    ll_combine_in_place(const __grid_constant__ LlCombineArgs args) {
  __shared__ LlSummand summands[kMaxSummands];
  grid_dependency_wait();
  const LlCall& call = args.call;
  const u64 epoch = current_epoch(call.geometry);
  const bool in_place = *pointer<const u64>(call.handle.direct) != 0;
  LlLook look = {true, false, true, 0};
  if (blockIdx.x == 0 && warp_idx() < kLlWarps / 2) {
    look = ll_look(call, epoch);
  }
  if (!in_place) {
    ll_reply_after_all(call, args.y, epoch);
  }
  const LlFound found = ll_find_first<false>(call, args.sums, kLlWarps, summands);
  if (in_place && blockIdx.x == 0) {
    ll_reply_in_place(call, epoch, look);
  }
  const bool well = ll_await_sums<false>(call, args.sums, epoch, found, summands);
  // A call that did not begin is never complete, so nobody must wait for that.
  if (well && in_place && grid_thread_idx() == kLlThreads - 1) {
    pointer<u64>(call.ll.pulled)[call.area] = epoch;
  }
  // What follows after outputs that did not stay in place is looked up.
  ll_end_sums(call, well && in_place, epoch, kLlWhole, {epoch, look.other});
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
