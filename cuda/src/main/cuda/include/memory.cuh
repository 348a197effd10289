// Typed access to the memory of this rank and its peers; see Geometry.
#pragma once

#include "args.cuh"

namespace crossdock {

constexpr u32 kAllLanes = 0xffffffffu;

template <typename T>
__device__ __forceinline__ T* pointer(u64 address) {
  return reinterpret_cast<T*>(address);
}

// The type that CUDA's atomic functions take.
__device__ __forceinline__ unsigned long long* atomic_word(u64* word) {
  return reinterpret_cast<unsigned long long*>(word);
}

__device__ __forceinline__ u32 lane_idx() {
  return threadIdx.x % kWarpThreads;
}

__device__ __forceinline__ u32 warp_idx() {
  return threadIdx.x / kWarpThreads;
}

// This thread among those of the whole grid.
__device__ __forceinline__ u64 grid_thread_idx() {
  return static_cast<u64>(blockIdx.x) * blockDim.x + threadIdx.x;
}

__device__ __forceinline__ u64 grid_threads() {
  return static_cast<u64>(gridDim.x) * blockDim.x;
}

// This rank's own memory needs no look into the table.
__device__ __forceinline__ u64 peer_memory(const Geometry& geometry, u64 peer) {
  return peer == geometry.rank ? geometry.memory : pointer<const u64>(geometry.peers)[peer];
}

__device__ __forceinline__ u64 own_memory(const Geometry& geometry) {
  return geometry.memory;
}

__device__ __forceinline__ LocalState* local_state(const Geometry& geometry) {
  return pointer<LocalState>(geometry.local);
}

// The epoch of the running call. It is advanced when the last block of the call leaves, so every
// block reads it before it meets the others.
__device__ __forceinline__ u64 current_epoch(const Geometry& geometry) {
  return ld_relaxed_gpu(&local_state(geometry)->epoch) + 1;
}

// Hands out units of work to the warps of a grid, so that none is idle while others are behind. A claim
// is made ahead of its use, since it takes a round trip.
struct Claims {
  u64* counter;
  u64 next;  // valid in lane 0
};

__device__ __forceinline__ u64 claim_unit(u64* counter) {
  return lane_idx() == 0 ? atomicAdd(atomic_word(counter), 1ull) : 0;
}

__device__ __forceinline__ Claims start_claims(const Geometry& geometry) {
  u64* counter = &local_state(geometry)->claimed;
  return {counter, claim_unit(counter)};
}

// By one warp: the unit that was claimed before; claims the one after it.
__device__ __forceinline__ u64 take_unit(Claims* claims) {
  const u64 unit = __shfl_sync(kAllLanes, claims->next, 0);
  claims->next = claim_unit(claims->counter);
  return unit;
}

// The entry of a source rank in the memory of a destination rank.
__device__ __forceinline__ EntryHeader* entry_of(const Geometry& geometry, u64 destination, u64 source,
                                                 u64 epoch) {
  const u64 slot = epoch % kEntrySlots * geometry.num_ranks + source;
  return pointer<EntryHeader>(peer_memory(geometry, destination) + geometry.entries +
                              slot * geometry.entry_pitch);
}

__device__ __forceinline__ char* entry_reason(EntryHeader* entry) {
  return reinterpret_cast<char*>(entry + 1);
}

__device__ __forceinline__ i64* entry_rank_counts(EntryHeader* entry) {
  return reinterpret_cast<i64*>(entry_reason(entry) + kReasonBytes);
}

__device__ __forceinline__ i32* entry_expert_counts(EntryHeader* entry, u64 num_ranks) {
  return reinterpret_cast<i32*>(entry_rank_counts(entry) + num_ranks);
}

// The flag of a source rank in an array of flags of a destination rank.
__device__ __forceinline__ u64* flag_of(const Geometry& geometry, u64 array, u64 destination, u64 source) {
  return pointer<u64>(peer_memory(geometry, destination) + array) + source;
}

__device__ __forceinline__ u64 receive_window(const Geometry& geometry, u64 destination, u64 window) {
  return peer_memory(geometry, destination) + geometry.receive + window * geometry.receive_pitch;
}

__device__ __forceinline__ u64 output_window(const Geometry& geometry, u64 owner, u64 window) {
  return peer_memory(geometry, owner) + geometry.output + window * geometry.output_pitch;
}

// Rows that ranks below `source` send to `destination`.
__device__ __forceinline__ i64 base_row(const HandlePointers& handle, u64 num_ranks, u64 source,
                                        u64 destination) {
  return source == 0 ? 0 : pointer<const i64>(handle.prefix)[(source - 1) * num_ranks + destination];
}

__device__ __forceinline__ i64 total_rows(const HandlePointers& handle, u64 num_ranks, u64 destination) {
  return pointer<const i64>(handle.prefix)[(num_ranks - 1) * num_ranks + destination];
}

// Rows that this rank receives in the round that begins with a row.
__device__ __forceinline__ u64 rows_of_round(const Geometry& geometry, const HandlePointers& handle,
                                             u64 first_row) {
  const i64 left = total_rows(handle, geometry.num_ranks, geometry.rank) - static_cast<i64>(first_row);
  return min(static_cast<u64>(max(left, static_cast<i64>(0))), geometry.capacity_rows);
}

__device__ __forceinline__ bool is_aligned(u64 address, u64 num_bytes) {
  return address % num_bytes == 0;
}

// Copies words without gaps, with several loads of a thread in flight. The threads that share the
// work are `stride` many, this one is the `first`.
template <typename Word>
__device__ __forceinline__ void copy_words(u64 to, u64 from, u64 num_words, u64 first, u64 stride) {
  constexpr u32 kInFlight = 8;
  for (u64 i = first; i < num_words; i += kInFlight * stride) {
    Word words[kInFlight] = {};
#pragma unroll
    for (u32 step = 0; step < kInFlight; step++) {
      if (i + step * stride < num_words) {
        words[step] = pointer<const volatile Word>(from)[i + step * stride];
      }
    }
#pragma unroll
    for (u32 step = 0; step < kInFlight; step++) {
      if (i + step * stride < num_words) {
        pointer<Word>(to)[i + step * stride] = words[step];
      }
    }
  }
}

template <>
__device__ __forceinline__ void copy_words<uint4>(u64 to, u64 from, u64 num_words, u64 first, u64 stride) {
  constexpr u32 kInFlight = 8;
  for (u64 i = first; i < num_words; i += kInFlight * stride) {
    uint4 words[kInFlight] = {};
#pragma unroll
    for (u32 step = 0; step < kInFlight; step++) {
      if (i + step * stride < num_words) {
        words[step] = ld_no_allocate(pointer<const uint4>(from) + i + step * stride);
      }
    }
#pragma unroll
    for (u32 step = 0; step < kInFlight; step++) {
      if (i + step * stride < num_words) {
        st_no_allocate(pointer<uint4>(to) + i + step * stride, words[step]);
      }
    }
  }
}

// Copies bytes without gaps in the widest words that both ends allow.
__device__ __forceinline__ void copy_bytes_by(u64 to, u64 from, u64 num_bytes, u64 first, u64 stride) {
  if (is_aligned(to | from | num_bytes, sizeof(uint4))) {
    copy_words<uint4>(to, from, num_bytes / sizeof(uint4), first, stride);
  } else if (is_aligned(to | from | num_bytes, sizeof(u32))) {
    copy_words<u32>(to, from, num_bytes / sizeof(u32), first, stride);
  } else {
    copy_words<unsigned char>(to, from, num_bytes, first, stride);
  }
}

// By the whole grid: copies rows that may lie apart to where they lie together.
__device__ __forceinline__ void copy_rows(u64 to, u64 from, u64 pitch_bytes, u64 row_bytes, u64 num_rows) {
  if (pitch_bytes == row_bytes) {
    copy_bytes_by(to, from, num_rows * row_bytes, grid_thread_idx(), grid_threads());
    return;
  }
  const u64 num_warps = grid_threads() / kWarpThreads;
  for (u64 row = grid_thread_idx() / kWarpThreads; row < num_rows; row += num_warps) {
    copy_bytes_by(to + row * row_bytes, from + row * pitch_bytes, row_bytes, lane_idx(), kWarpThreads);
  }
}

}  // namespace crossdock
