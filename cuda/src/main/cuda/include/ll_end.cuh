// How the kernels of low-latency mode end: blocks leave, the last that works reports and frees the slots.
#pragma once

#include "lowlatency.cuh"

namespace crossdock {

// How a grid of low-latency mode ends.
enum LlEnding : u64 {
  kLlSent = 0,      // the receive half is to come
  kLlComplete = 1,  // the slots are free again
  kLlWhole = 2,     // both halves in one grid
};

// By one warp: writes to the host how a call failed.
__device__ __noinline__ void ll_write_failure(const LlCall& call, u64 epoch, const Outcome& outcome) {
  Report* report = pointer<Report>(call.reporting.report);
  if (report == nullptr) {
    return;
  }
  if (outcome.code == kRefusedCall) {
    const LlRefusal* cell = ll_refusal(call, call.geometry.rank, outcome.peer, epoch);
    const char* text = reinterpret_cast<const char*>(cell + 1);
    for (u32 i = lane_idx(); i < kReasonBytes; i += kWarpThreads) {
      report->reason[i] = text[i];
    }
    if (lane_idx() == 0) {
      report->culprit.refusal = cell->code;
      report->culprit.fact0 = cell->fact0;
      report->culprit.fact1 = cell->fact1;
      report->culprit.fact2 = cell->fact2;
      report->culprit.num_experts = call.terms.num_experts;
    }
  }
  if (lane_idx() == 0) {
    report->epoch = epoch;
    report->outcome = outcome;
  }
  __syncwarp();
  if (lane_idx() == 0) {
    publish_flag(&report->ticket, call.reporting.ticket);
  }
}

// Whether the host learns that a call went well. It may read the results then.
__device__ __forceinline__ bool ll_reports(const LlCall& call) {
  return call.reporting.report != 0 && call.reporting.sticky == 0;
}

// By one warp: writes the report to the host.
__device__ __forceinline__ void ll_write_report(const LlCall& call, u64 epoch, const Outcome& outcome) {
  if (outcome.code != kProceed) {
    ll_write_failure(call, epoch, outcome);
  } else if (ll_reports(call) && lane_idx() == 0) {
    Report* report = pointer<Report>(call.reporting.report);
    st_relaxed_sys_v2(&report->ticket, call.reporting.ticket, epoch);
  }
}

// By one warp: ends the grid's part of a call, reports, and leaves the state as the next grid expects it.
// All calls of this rank up to the mark that it publishes are complete; peers wait for it, so it comes first.
__device__ __forceinline__ void ll_conclude(const LlCall& call, u64 epoch, LlEnding ending,
                                            const LlAfter& after, const Outcome& outcome) {
  LocalState* local = local_state(call.geometry);
  const bool over = outcome.code != kHookPending && outcome.code != kUnusable;
  const u64 own = ending == kLlSent && outcome.code == kProceed ? epoch : 0;
  if (over && own == 0) {
    publish_to_all(call.geometry, call.ll.completed,
                   after.other == 0 ? after.last : min(after.last, after.other - 1));
  }
  if (lane_idx() == 0) {
    local->arrivals = 0;
    local->departures = 0;
    local->failed = 0;
    local->refusal_key = kNoRefusal;
    if (over) {
      local->epoch = after.last;
      *ll_open(call, epoch) = own;
    }
    // A call that did not begin may share the word with the one whose hook it should have come after.
    const bool is_taken = !over && *pointer<u64>(call.call_epoch) == *ll_open(call, epoch);
    if (ending != kLlComplete && !is_taken) {
      *pointer<u64>(call.call_epoch) = outcome.code == kProceed ? epoch : 0;
    }
  }
  __syncwarp();
  ll_write_report(call, epoch, outcome);
}

// By the first warp of the block that is the last to work.
__device__ inline void ll_end(const LlCall& call, u64 epoch, LlEnding ending) {
  LocalState* local = local_state(call.geometry);
  const u64 failed = ld_relaxed_gpu(&local->failed);
  const u64 last = max(ld_relaxed_gpu(&local->epoch), epoch);
  const u64 other = ld_relaxed_gpu(ll_open(call, epoch + 1));
  Outcome outcome = {kProceed, 0, 0, epoch, 0, 0, 0, 0, 0};
  if (failed != 0) {
    outcome = local->outcome;
  }
  __syncwarp();
  ll_conclude(call, epoch, ending, {last, other}, outcome);
}

// The same for a grid none of whose warps recorded a failure. What the state will be was known when it began.
__device__ inline void ll_end_well(const LlCall& call, u64 epoch, LlEnding ending, const LlAfter& after) {
  ll_conclude(call, epoch, ending, after, {kProceed, 0, 0, epoch, 0, 0, 0, 0, 0});
}

// By a whole block: ends a grid that changes nothing in the state of calls, such as a receive half whose send
// half did not come to pass, which told the host why.
__device__ inline void ll_end_beside(const LlCall& call) {
  LocalState* local = local_state(call.geometry);
  if (is_last_arrival(&local->arrivals) && warp_idx() == 0) {
    if (lane_idx() == 0) {
      local->arrivals = 0;
    }
    __syncwarp();
    ll_write_report(call, 0, {kProceed, 0, 0, 0, 0, 0, 0, 0, 0});
  }
}

// Blocks leave one by one, the first as the last. The upper half of the counter says how many did not fare
// well.
constexpr u32 kUnwellShift = 32;

// What a block leaves behind.
enum class LlLeft {
  kNothing,  // that is read before the grid is over. Values that it added itself have been read by now
  kRows,     // for those to read whom the first block will tell
  kSent,     // the same, and its peers learn in words of their own that they are there
};

// By a whole block whose part of the call is done. True if all of its warps fared well.
__device__ inline bool ll_leave(const LlCall& call, bool well, LlLeft left, u64 epoch) {
  const bool all_well = __syncthreads_and(well ? 1 : 0) != 0;
  if (warp_idx() != 0) {
    return all_well;
  }
  const bool sent = left == LlLeft::kSent;
  if (sent || !all_well || (blockIdx.x != 0 && left == LlLeft::kRows)) {
    fence_for_peers(call.geometry);
  }
  for (u64 peer = lane_idx(); sent && all_well && peer < call.geometry.num_ranks; peer += kWarpThreads) {
    if (peer != call.geometry.rank) {
      debug_delay();
      st_relaxed_sys(ll_sent_words(call, peer, call.geometry.rank, epoch) + blockIdx.x,
                     ll_tag(epoch) | gridDim.x);
    }
  }
  if (lane_idx() == 0 && blockIdx.x != 0) {
    red_add_relaxed_gpu(&local_state(call.geometry)->departures, 1 | (all_well ? 0 : 1ull << kUnwellShift));
  }
  return all_well;
}

// By the first block: waits until the others left, whose waits have bounds. True if all fared well.
__device__ inline bool ll_await_others(const LlCall& call, bool well) {
  if (threadIdx.x == kLlThreads - 1) {
    const u64* departures = &local_state(call.geometry)->departures;
    u64 left = ld_acquire_gpu(departures);
    while (static_cast<u32>(left) != gridDim.x - 1) {
      left = ld_acquire_gpu(departures);
    }
    well = well && left >> kUnwellShift == 0;
  }
  return __syncthreads_and(well ? 1 : 0) != 0;
}

// By the first block of a send half: raises its flags once all blocks sent their rows, or refuses the call.
template <typename Refuse>
__device__ inline void ll_end_sending(const LlCall& call, const LlBeginning& beginning, bool well, u64 epoch,
                                      Refuse refuse) {
  well = ll_await_others(call, well);
  if (well) {
    ll_raise_flags(call, epoch);
  } else {
    refuse();
  }
  if (warp_idx() != 0) {
    return;
  }
  if (well) {
    ll_end_well(call, epoch, kLlSent, beginning.after);
  } else {
    ll_end(call, epoch, kLlSent);
  }
}

}  // namespace crossdock
