// Bounded waits of a warp for flags of peers, and what happens when one fails: the failure is
// recorded, peers are told, the kernel leaves. Nothing traps, so the context survives.
#pragma once

#include "memory.cuh"

namespace crossdock {

// The block that enters looks for an abort before anything else; the others leave it that much time
// before they call it one that came during the call.
constexpr u64 kAbortGraceNanos = 50'000;

// Looks at a flag before a wait looks whether it is in vain.
constexpr u32 kLooksAtOnce = 16;

#ifdef CROSSDOCK_DEBUG
// Makes races likely: called before every flag is stored.
__device__ inline void debug_delay() {
  const u64 start = global_timer();
  u64 mixed = (start ^ (static_cast<u64>(blockIdx.x) << 20) ^ threadIdx.x) * 0x9E3779B97F4A7C15ull;
  const u64 delay_nanos = (mixed >> 40) % 20000;
  while (global_timer() - start < delay_nanos) {
  }
}
#else
__device__ __forceinline__ void debug_delay() {}
#endif

// By one warp, all lanes alike: leaves a result to the block.
__device__ __forceinline__ void store_by_warp(u32* shared, bool value) {
  if (lane_idx() == 0) {
    *shared = value ? 1 : 0;
  }
}

// Stores a flag that anybody may read, the host too, after everything this thread has seen or done, and what
// it met at a barrier had.
__device__ __forceinline__ void publish_flag(u64* flag, u64 value) {
  debug_delay();
  st_release_sys(flag, value);
}

// The same for a flag that kernels of the buffer's ranks read. The narrower scope waits for less.
__device__ __forceinline__ void publish_to_peer(const Geometry& geometry, u64* flag, u64 value) {
  debug_delay();
  if (geometry.on_one_gpu != 0) {
    st_release_gpu(flag, value);
  } else {
    st_release_sys(flag, value);
  }
}

// The same for several words at once, which are stored relaxed after it.
__device__ __forceinline__ void fence_for_peers(const Geometry& geometry) {
  if (geometry.on_one_gpu != 0) {
    fence_acq_rel_gpu();
  } else {
    fence_acq_rel_sys();
  }
}

// By one warp: stores the same value in the flag that every rank keeps of this rank.
__device__ inline void publish_to_all(const Geometry& geometry, u64 array, u64 value) {
  for (u64 peer = lane_idx(); peer < geometry.num_ranks; peer += kWarpThreads) {
    publish_to_peer(geometry, flag_of(geometry, array, peer, geometry.rank), value);
  }
  __syncwarp();
}

// What a call does only when something is late or wrong lies in functions of its own, so that what it does
// always is little code: a kernel of a few microseconds waits for its instructions too.

// By one warp, all lanes alike: records how the call ended, if no other warp did before. A rank that
// gives up says so to all.
__device__ __noinline__ void record_failure(const Geometry& geometry, const Outcome& outcome) {
  LocalState* local = local_state(geometry);
  u32 first = 0;
  if (lane_idx() == 0) {
    first = atomicExch(atomic_word(&local->failed), 1ull) == 0;
    if (first) {
      local->outcome = outcome;
    }
  }
  first = __shfl_sync(kAllLanes, first, 0);
  if (first && (outcome.code == kTimeout || outcome.code == kPeerLeft)) {
    publish_to_all(geometry, geometry.states, kAborted);
  }
  __syncwarp();
}

// By one warp: the lowest rank in a given state, or -1.
__device__ __noinline__ i32 find_state(const Geometry& geometry, u64 wanted) {
  for (u64 first = 0; first < geometry.num_ranks; first += kWarpThreads) {
    const u64 peer = first + lane_idx();
    const bool hit = peer < geometry.num_ranks &&
                     ld_acquire_sys(flag_of(geometry, geometry.states, geometry.rank, peer)) == wanted;
    const u32 hits = __ballot_sync(kAllLanes, hit);
    if (hits != 0) {
      return static_cast<i32>(first) + __ffs(hits) - 1;
    }
  }
  return -1;
}

// What a warp waits for: that flags of all peers reach a value.
struct Wait {
  u64 flags;        // address of rank 0's flag
  u64 pitch_bytes;  // from one rank's flag to the next
  u64 expected;
  u64 phase;
};

// By one warp, for the peers from `first` on, one a lane: true if the wait is in vain, which then is
// recorded. `seen` is what this lane saw last.
__device__ __noinline__ bool is_in_vain(const Geometry& geometry, const Wait& wait, u64 first, u64 seen,
                                        u64 waited_nanos) {
  const i32 origin = waited_nanos > kAbortGraceNanos ? find_state(geometry, kAborted) : -1;
  Outcome outcome = {
      kPeerAborted, static_cast<u64>(origin), wait.phase, wait.expected, 0, waited_nanos, 0, 0, 0};
  if (origin < 0) {
    const u64 peer = first + lane_idx();
    const bool late = peer < geometry.num_ranks && seen < wait.expected;
    // A peer stores its last flags before it says that it leaves, so the flag is looked at again.
    const bool left =
        late && ld_acquire_sys(flag_of(geometry, geometry.states, geometry.rank, peer)) == kLeaving &&
        ld_acquire_sys(pointer<const u64>(wait.flags + peer * wait.pitch_bytes)) < wait.expected;
    const u32 gone = __ballot_sync(kAllLanes, left);
    const bool expired = waited_nanos > geometry.timeout_nanos;
    const u32 culprits = gone != 0 ? gone : expired ? __ballot_sync(kAllLanes, late) : 0;
    if (culprits == 0) {
      return false;
    }
    const u32 culprit = __ffs(culprits) - 1;
    outcome.code = gone != 0 ? kPeerLeft : kTimeout;
    outcome.peer = first + culprit;
    outcome.seen = __shfl_sync(kAllLanes, seen, culprit);
  }
  record_failure(geometry, outcome);
  return true;
}

// By one warp: looks some times whether the flags of 32 ranks, one a lane, reached a value. `seen` is
// what this lane saw last.
__device__ __forceinline__ bool look(const Geometry& geometry, const Wait& wait, u64 first, u64* seen) {
  const u64 peer = first + lane_idx();
  for (u32 i = 0; i < kLooksAtOnce; i++) {
    *seen = peer < geometry.num_ranks
                ? ld_acquire_sys(pointer<const u64>(wait.flags + peer * wait.pitch_bytes))
                : wait.expected;
    if (__all_sync(kAllLanes, *seen >= wait.expected)) {
      return true;
    }
  }
  return false;
}

// By one warp: waits, bounded, until the flags of all ranks reached a value. False if the call fails.
__device__ inline bool await_all(const Geometry& geometry, const Wait& wait) {
  const u64 start = global_timer();
  for (u64 first = 0; first < geometry.num_ranks; first += kWarpThreads) {
    u64 seen;
    while (!look(geometry, wait, first, &seen)) {
      const u64 waited = __shfl_sync(kAllLanes, global_timer(), 0) - start;
      const u64 failed = __shfl_sync(kAllLanes, ld_relaxed_gpu(&local_state(geometry)->failed), 0);
      if (failed != 0 || is_in_vain(geometry, wait, first, seen, waited)) {
        return false;
      }
    }
  }
  __syncwarp();
  return true;
}

__device__ __forceinline__ Wait entry_wait(const Geometry& geometry, u64 epoch) {
  return {reinterpret_cast<u64>(entry_of(geometry, geometry.rank, 0, epoch)), geometry.entry_pitch, epoch,
          kEnterPhase};
}

__device__ __forceinline__ Wait flag_wait(const Geometry& geometry, u64 array, u64 expected, u64 phase) {
  return {own_memory(geometry) + array, sizeof(u64), expected, phase};
}

}  // namespace crossdock
