// The steps that collective kernels share: enter an epoch, agree on a verdict, leave the epoch.
// The rules are those of the Java class ProtocolState.
#pragma once

#include "wait.cuh"

namespace crossdock {

// By one warp: true at once if no rank aborted and all entries of the epoch before were seen.
__device__ __forceinline__ bool can_begin_at_once(const Geometry& geometry, u64 epoch) {
  bool ready = true;
  for (u64 peer = lane_idx(); peer < geometry.num_ranks; peer += kWarpThreads) {
    const u64 state = ld_acquire_sys(flag_of(geometry, geometry.states, geometry.rank, peer));
    const u64 entered = ld_acquire_sys(&entry_of(geometry, geometry.rank, peer, epoch - 1)->epoch);
    ready = ready && state != kAborted && entered >= epoch - 1;
  }
  return __all_sync(kAllLanes, ready);
}

// By one warp: refuses to begin on a buffer that was aborted, and waits for the entries of the epoch
// before: their slots are used again by the epoch after this one.
__device__ inline bool can_begin(const Geometry& geometry, u64 epoch) {
  if (can_begin_at_once(geometry, epoch)) {
    return true;
  }
  const i32 origin = find_state(geometry, kAborted);
  if (origin >= 0) {
    record_failure(geometry, {kUnusable, static_cast<u64>(origin), kEnterPhase, epoch, 0, 0, 0, 0, 0});
    return false;
  }
  return await_all(geometry, entry_wait(geometry, epoch - 1));
}

// What travels with an entry besides its head; null pointers for nothing.
struct EntryBody {
  const char* reason;
  const i64* rank_counts;
  const i32* expert_counts;  // of all experts
  u64 num_local_experts;
};

// By one warp: writes this rank's entry into the memory of one peer and publishes it there.
__device__ inline void publish_entry(const Geometry& geometry, const EntryHeader& head, const EntryBody& body,
                                     u64 peer, u64 epoch) {
  EntryHeader* entry = entry_of(geometry, peer, geometry.rank, epoch);
  const u64* words = &head.epoch;
  for (u32 i = 1 + lane_idx(); i < sizeof(EntryHeader) / sizeof(u64); i += kWarpThreads) {
    (&entry->epoch)[i] = words[i];
  }
  if (body.reason != nullptr) {
    for (u32 i = lane_idx(); i < kReasonBytes; i += kWarpThreads) {
      entry_reason(entry)[i] = body.reason[i];
    }
  }
  if (body.rank_counts != nullptr) {
    for (u64 i = lane_idx(); i < geometry.num_ranks; i += kWarpThreads) {
      entry_rank_counts(entry)[i] = body.rank_counts[i];
    }
  }
  if (body.expert_counts != nullptr) {
    const i32* counts = body.expert_counts + peer * body.num_local_experts;
    for (u64 i = lane_idx(); i < body.num_local_experts; i += kWarpThreads) {
      entry_expert_counts(entry, geometry.num_ranks)[i] = counts[i];
    }
  }
  __syncwarp();
  if (lane_idx() == 0) {
    publish_to_peer(geometry, &entry->epoch, epoch);
  }
}

// By a whole block: publishes this rank's entry to all ranks, a warp each.
__device__ inline void publish_entries(const Geometry& geometry, const EntryHeader& head,
                                       const EntryBody& body, u64 epoch) {
  const u32 num_warps = blockDim.x / kWarpThreads;
  for (u64 peer = warp_idx(); peer < geometry.num_ranks; peer += num_warps) {
    publish_entry(geometry, head, body, peer, epoch);
  }
}

// By a whole block: publishes a call along a handle, once the given warp found that it can begin.
template <u32 kWarp, typename Args>
__device__ inline bool publish_call(const Args& args, u64 epoch) {
  __shared__ EntryHeader head;
  __shared__ u32 ready;
  if (threadIdx.x == 0) {
    head = args.entry;
    head.handle_epoch = *pointer<const u64>(args.handle.epoch);
  }
  if (warp_idx() == kWarp) {
    store_by_warp(&ready, can_begin(args.geometry, epoch));
  }
  __syncthreads();
  if (ready != 0) {
    publish_entries(args.geometry, head, {nullptr, nullptr, nullptr, 0}, epoch);
  }
  __syncthreads();
  return ready != 0;
}

__device__ inline bool agrees(const EntryHeader& a, const EntryHeader& b) {
  return a.kind == b.kind && a.row_bytes == b.row_bytes && a.scale_bytes == b.scale_bytes &&
         a.topk == b.topk && a.index_bytes == b.index_bytes && a.num_experts == b.num_experts &&
         a.weights == b.weights && a.dtype == b.dtype && a.handle_epoch == b.handle_epoch &&
         a.round == b.round;
}

// Rows that the dispatch of this epoch sends to a rank.
__device__ inline i64 announced_rows(const Geometry& geometry, const HandlePointers& handle, u64 kind,
                                     u64 destination, u64 epoch) {
  if (kind != kFreshDispatch) {
    return total_rows(handle, geometry.num_ranks, destination);
  }
  i64 total = 0;
  for (u64 source = 0; source < geometry.num_ranks; source++) {
    total += entry_rank_counts(entry_of(geometry, geometry.rank, source, epoch))[destination];
  }
  return total;
}

__device__ inline bool is_over_capacity(const EntryHeader& entry, i64 rows) {
  const bool dispatch = entry.kind == kFreshDispatch || entry.kind == kCachedDispatch;
  const u64 total = static_cast<u64>(rows);
  return dispatch && (total > entry.output_rows || (entry.can_round == 0 && total > entry.capacity_rows));
}

// By one warp: the outcome that all ranks reach once every entry was seen. A rank that refuses itself
// names itself, so that its caller gets its own error.
__device__ inline Outcome verdict(const Geometry& geometry, const HandlePointers& handle, u64 epoch) {
  constexpr u32 kNone = ~0u;
  u32 culprits[3] = {kNone, kNone, kNone};
  const EntryHeader& first = *entry_of(geometry, geometry.rank, 0, epoch);
  for (u64 peer = lane_idx(); peer < geometry.num_ranks; peer += kWarpThreads) {
    const EntryHeader& entry = *entry_of(geometry, geometry.rank, peer, epoch);
    const u32 candidate = static_cast<u32>(peer);
    if (entry.kind == kRefused) {
      culprits[0] = min(culprits[0], candidate);
    } else if (!agrees(first, entry)) {
      culprits[1] = min(culprits[1], candidate);
    } else if (is_over_capacity(entry, announced_rows(geometry, handle, entry.kind, peer, epoch))) {
      culprits[2] = min(culprits[2], candidate);
    }
  }
  Outcome outcome = {kProceed, 0, kEnterPhase, epoch, 0, 0, 0, 0, 0};
  for (u32 code = kRefusedCall; code <= kOverCapacity && outcome.code == kProceed; code++) {
    const u32 culprit = __reduce_min_sync(kAllLanes, culprits[code - kRefusedCall]);
    if (culprit != kNone) {
      outcome.code = code;
      outcome.peer = culprit;
    }
  }
  const bool own = entry_of(geometry, geometry.rank, geometry.rank, epoch)->kind == kRefused;
  outcome.peer = own ? geometry.rank : outcome.peer;
  if (outcome.code == kOverCapacity) {
    const EntryHeader& entry = *entry_of(geometry, geometry.rank, outcome.peer, epoch);
    outcome.fact0 = announced_rows(geometry, handle, entry.kind, outcome.peer, epoch);
    outcome.fact1 = entry.capacity_rows;
    outcome.fact2 = entry.output_rows;
  }
  return outcome;
}

// By one warp: waits for all entries of the epoch and concludes. True to go on. `windows`, if any, is
// filled with the window that each rank chose.
__device__ inline bool await_verdict(const Geometry& geometry, const HandlePointers& handle, u64 epoch,
                                     u64* windows) {
  if (!await_all(geometry, entry_wait(geometry, epoch))) {
    return false;
  }
  for (u64 peer = lane_idx(); windows != nullptr && peer < geometry.num_ranks; peer += kWarpThreads) {
    windows[peer] = entry_of(geometry, geometry.rank, peer, epoch)->window;
  }
  const Outcome outcome = verdict(geometry, handle, epoch);
  if (outcome.code != kProceed) {
    record_failure(geometry, outcome);
  }
  return outcome.code == kProceed;
}

// By a whole block: true for the last block of the grid to come here. What the others did before is
// then visible to it.
__device__ inline bool is_last_arrival(u64* counter) {
  __shared__ u32 last;
  __syncthreads();
  if (threadIdx.x == 0) {
    last = atom_add_acq_rel_gpu(counter, 1) == gridDim.x - 1;
  }
  __syncthreads();
  return last != 0;
}

// True if a warp of the running grid recorded a failure; exact once all blocks arrived.
__device__ __forceinline__ bool has_failed(const Geometry& geometry) {
  return ld_relaxed_gpu(&local_state(geometry)->failed) != 0;
}

__device__ inline void copy_header(EntryHeader* to, const EntryHeader* from) {
  for (u32 i = lane_idx(); i < sizeof(EntryHeader) / sizeof(u64); i += kWarpThreads) {
    (&to->epoch)[i] = (&from->epoch)[i];
  }
}

// By one warp: writes the report to the host. A call that went well says no more than its ticket and its
// epoch: the host has cleared the code.
__device__ inline void write_report(const Geometry& geometry, const Reporting& reporting, u64 epoch,
                                    const Outcome& outcome) {
  Report* report = pointer<Report>(reporting.report);
  if (report == nullptr) {
    return;
  }
  if (outcome.code == kProceed) {
    if (lane_idx() == 0 && reporting.sticky == 0) {
      st_relaxed_sys_v2(&report->ticket, reporting.ticket, epoch);
    }
    return;
  }
  if (outcome.code <= kOverCapacity) {
    EntryHeader* culprit = entry_of(geometry, geometry.rank, outcome.peer, epoch);
    copy_header(&report->first, entry_of(geometry, geometry.rank, 0, epoch));
    copy_header(&report->culprit, culprit);
    for (u32 i = lane_idx(); i < kReasonBytes; i += kWarpThreads) {
      report->reason[i] = entry_reason(culprit)[i];
    }
  }
  if (lane_idx() == 0) {
    report->epoch = epoch;
    report->outcome = outcome;
  }
  __syncwarp();
  if (lane_idx() == 0) {
    publish_flag(&report->ticket, reporting.ticket);
  }
}

// By the first warp of the last block: reports, and leaves the state as the next grid expects it.
__device__ inline void end_grid(const Geometry& geometry, const Reporting& reporting, u64 epoch,
                                bool advance) {
  LocalState* local = local_state(geometry);
  const bool failed = has_failed(geometry);
  __syncwarp();
  Outcome outcome = {kProceed, 0, 0, epoch, 0, 0, 0, 0, 0};
  if (failed) {
    outcome = local->outcome;
  }
  __syncwarp();
  if (lane_idx() == 0) {
    local->arrivals = 0;
    local->departures = 0;
    local->claimed = 0;
    local->failed = 0;
    if (advance) {
      local->epoch = epoch;
    }
  }
  __syncwarp();
  write_report(geometry, reporting, epoch, outcome);
}

}  // namespace crossdock
