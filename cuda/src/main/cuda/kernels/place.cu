// Places rows straight into the receive windows of the ranks that want them.
//
//   all blocks    cached: enter (block 0 publishes), await the verdict
//   moving warps  row by row: one bulk load into shared memory, one bulk store to each destination
//   side warps    scales, choices, weights and source index of each row
//   last block    publish that this rank is finished
//   all blocks    owned placement, sources and worst-case tail: await all, copy out of the window
//   last block    await all, report, advance the epoch
#include "../include/protocol.cuh"

namespace crossdock {

constexpr u32 kMovingWarps = 7;
constexpr u32 kSideWarps = 9;
constexpr u32 kScaleWords = 2;  // words of a row's scales that a lane holds at once
constexpr u32 kPlaceThreads = (kMovingWarps + kSideWarps) * kWarpThreads;

// Where rows go at one destination.
struct Target {
  i64 base_row;  // of this rank's rows there, less the first row of the round
  u64 window;
};

// Shared memory: | stages of each moving warp | their barriers | targets [R] | windows [R] |
struct PlaceShared {
  char* stages;
  u64* barriers;
  Target* targets;
  u64* windows;  // the one that each rank chose
};

__device__ inline PlaceShared place_shared(const PlaceArgs& args) {
  extern __shared__ __align__(128) char place_memory[];
  const u64 num_stages = kMovingWarps * args.num_stages;
  u64* barriers = reinterpret_cast<u64*>(place_memory + num_stages * args.piece_bytes);
  Target* targets = reinterpret_cast<Target*>(barriers + num_stages);
  return {place_memory, barriers, targets, reinterpret_cast<u64*>(targets + args.geometry.num_ranks)};
}

// By a whole block: what is known of the targets before the exchange.
__device__ inline void fill_base_rows(const PlaceArgs& args, const PlaceShared& shared) {
  const Geometry& geometry = args.geometry;
  for (u64 rank = threadIdx.x; rank < geometry.num_ranks; rank += blockDim.x) {
    const i64 base = base_row(args.handle, geometry.num_ranks, geometry.rank, rank);
    shared.targets[rank].base_row = base - static_cast<i64>(args.first_row);
  }
}

// By a whole block: the rest.
__device__ inline void fill_windows(const PlaceArgs& args, const PlaceShared& shared) {
  for (u64 rank = threadIdx.x; rank < args.geometry.num_ranks; rank += blockDim.x) {
    shared.targets[rank].window = receive_window(args.geometry, rank, shared.windows[rank]);
  }
  __syncthreads();
}

// The row of a token at a rank in this round, or -1.
__device__ __forceinline__ i64 row_at(const PlaceArgs& args, const Target* targets, u64 token, u64 rank) {
  const i32 position = pointer<const i32>(args.handle.positions)[token * args.geometry.num_ranks + rank];
  const i64 row = targets[rank].base_row + position;
  const bool here = position >= 0 && row >= 0 && row < static_cast<i64>(args.geometry.capacity_rows);
  return here ? row : -1;
}

// A piece of a row.
struct Piece {
  u64 token;
  u64 offset;
  u32 num_bytes;
};

__device__ __forceinline__ Piece piece_at(const PlaceArgs& args, u64 index, u64 num_pieces) {
  const u64 token = num_pieces == 1 ? index : index / num_pieces;
  const u64 offset = (index - token * num_pieces) * args.piece_bytes;
  const u64 left = args.entry.row_bytes - offset;
  return {token, offset, static_cast<u32>(min(left, args.piece_bytes))};
}

// By one warp: stores a piece that lies in shared memory to every destination, a lane each. `row` is
// that of this lane's first destination.
__device__ __forceinline__ void store_piece(const PlaceArgs& args, const Target* targets, const Piece& piece,
                                            i64 row, const char* stage) {
  for (u64 rank = lane_idx(); rank < args.geometry.num_ranks; rank += kWarpThreads) {
    if (rank != lane_idx()) {
      row = row_at(args, targets, piece.token, rank);
    }
    if (row >= 0) {
      char* to = pointer<char>(targets[rank].window + row * args.entry.row_bytes + piece.offset);
      cp_async_bulk_store(to, stage, piece.num_bytes);
    }
  }
  cp_async_bulk_commit_group();
}

// Pieces of all rows; moving warps claim one after the other.
struct Work {
  u64 num_pieces;
  u64 pieces_per_row;
};

__device__ inline Work work_of(const PlaceArgs& args) {
  const u64 per_row = (args.entry.row_bytes + args.piece_bytes - 1) / args.piece_bytes;
  return {args.num_tokens * per_row, per_row};
}

// The row of a piece at this lane's first destination; -1 behind the last piece.
__device__ __forceinline__ i64 first_row_at(const PlaceArgs& args, const Target* targets, const Work& work,
                                            u64 index) {
  if (index >= work.num_pieces || lane_idx() >= args.geometry.num_ranks) {
    return -1;
  }
  return row_at(args, targets, piece_at(args, index, work.pieces_per_row).token, lane_idx());
}

// A moving warp: a ring of stages, filled ahead of the stores.
struct Ring {
  char* stages;
  u64* barriers;
  u32 num_stages;
  u32 loaded;  // turns whose load was issued
  u64 piece;   // that of the stage with this lane's number
  Claims claims;
};

__device__ inline Ring ring_of(const PlaceArgs& args, const PlaceShared& shared) {
  const u64 first = warp_idx() * args.num_stages;
  return {shared.stages + first * args.piece_bytes,
          shared.barriers + first,
          static_cast<u32>(args.num_stages),
          0,
          0,
          start_claims(args.geometry)};
}

__device__ __forceinline__ u64 piece_of_turn(const Ring& ring, u32 turn) {
  return __shfl_sync(kAllLanes, ring.piece, turn % ring.num_stages);
}

// Claims the next piece and loads it, if it is not behind the last, into the stage that is in turn.
__device__ __forceinline__ void load_next(const PlaceArgs& args, const Work& work, Ring* ring) {
  const u64 index = take_unit(&ring->claims);
  const u32 stage = ring->loaded % ring->num_stages;
  if (lane_idx() == stage) {
    ring->piece = index;
  }
  if (index < work.num_pieces && lane_idx() == 0) {
    const Piece piece = piece_at(args, index, work.pieces_per_row);
    u64* barrier = ring->barriers + stage;
    mbarrier_arrive_expect_tx(barrier, piece.num_bytes);
    cp_async_bulk_load(ring->stages + stage * args.piece_bytes,
                       pointer<const char>(args.x + piece.token * args.x_pitch + piece.offset),
                       piece.num_bytes, barrier);
  }
  ring->loaded++;
}

// Fills the ring but for one stage; needs no peer, so it runs ahead of the exchange.
__device__ inline void fill_ring(const PlaceArgs& args, const Work& work, Ring* ring) {
  if (lane_idx() < ring->num_stages) {
    mbarrier_init(ring->barriers + lane_idx(), 1);
  }
  fence_mbarrier_init();
  __syncwarp();
  for (u32 stage = 0; stage + 1 < ring->num_stages; stage++) {
    load_next(args, work, ring);
  }
}

__device__ __forceinline__ void await_stage(const Ring& ring, u32 turn) {
  const u32 parity = (turn / ring.num_stages) & 1;
  while (!mbarrier_try_wait_parity(ring.barriers + turn % ring.num_stages, parity)) {
  }
}

// By one moving warp: stores the piece that is in turn, with the loads of later ones under way.
__device__ inline void move_rows(const PlaceArgs& args, const PlaceShared& shared, const Work& work,
                                 Ring* ring) {
  u64 index = piece_of_turn(*ring, 0);
  i64 row = first_row_at(args, shared.targets, work, index);
  for (u32 turn = 0; index < work.num_pieces; turn++) {
    cp_async_bulk_wait_group_read<0>();
    __syncwarp();
    load_next(args, work, ring);
    const u64 next_index = piece_of_turn(*ring, turn + 1);
    const i64 next_row = first_row_at(args, shared.targets, work, next_index);
    await_stage(*ring, turn);
    const char* stage = ring->stages + turn % ring->num_stages * args.piece_bytes;
    store_piece(args, shared.targets, piece_at(args, index, work.pieces_per_row), row, stage);
    index = next_index;
    row = next_row;
  }
  cp_async_bulk_wait_group_all();
  fence_proxy_async();
}

// Loads that were issued for rows that will not be placed must not outlive the block.
__device__ inline void drain_ring(const Work& work, const Ring& ring) {
  for (u32 turn = 0; turn < ring.loaded && piece_of_turn(ring, turn) < work.num_pieces; turn++) {
    await_stage(ring, turn);
  }
}

// By one moving warp: moves rows that bulk loads cannot read, by copying each piece into its first stage.
__device__ inline void move_unaligned_rows(const PlaceArgs& args, const PlaceShared& shared, const Work& work,
                                           Ring* ring) {
  for (u64 index = take_unit(&ring->claims); index < work.num_pieces; index = take_unit(&ring->claims)) {
    const Piece piece = piece_at(args, index, work.pieces_per_row);
    const char* from = pointer<const char>(args.x + piece.token * args.x_pitch + piece.offset);
    cp_async_bulk_wait_group_read<0>();
    __syncwarp();
    for (u32 i = lane_idx(); i < piece.num_bytes; i += kWarpThreads) {
      ring->stages[i] = from[i];
    }
    fence_proxy_async();
    __syncwarp();
    const i64 row = first_row_at(args, shared.targets, work, index);
    store_piece(args, shared.targets, piece, row, ring->stages);
  }
  cp_async_bulk_wait_group_all();
  fence_proxy_async();
}

// What a lane holds of a token besides its row: one choice, and some words of its scales.
struct SideData {
  i64 expert;
  float weight;
  u32 scales[kScaleWords];
};

__device__ __forceinline__ void load_choice(const PlaceArgs& args, u64 token, SideData* data) {
  const u32 k = lane_idx();
  if (args.topk_idx == 0 || k >= args.entry.topk) {
    return;
  }
  const u64 choices = args.topk_idx + token * args.topk_idx_pitch;
  data->expert =
      args.entry.index_bytes == sizeof(i64) ? pointer<const i64>(choices)[k] : pointer<const i32>(choices)[k];
  if (args.topk_weights != 0) {
    data->weight = pointer<const float>(args.topk_weights + token * args.topk_weights_pitch)[k];
  }
}

__device__ __forceinline__ void load_scales(const PlaceArgs& args, u64 token, u64 first_word,
                                            SideData* data) {
#pragma unroll
  for (u32 step = 0; step < kScaleWords; step++) {
    const u64 word = first_word + step * kWarpThreads + lane_idx();
    if (word * sizeof(u32) < args.entry.scale_bytes) {
      data->scales[step] = pointer<const u32>(args.scales + token * args.scales_pitch)[word];
    }
  }
}

// Where a row's side data goes.
struct SideTarget {
  u64 window;
  u64 row;
  i64 low_expert;  // the destination's experts
  i64 num_local_experts;
};

__device__ __forceinline__ void store_choice(const PlaceArgs& args, const SideTarget& to,
                                             const SideData& data) {
  if (args.topk_idx == 0 || lane_idx() >= args.entry.topk) {
    return;
  }
  const i64 local = data.expert - to.low_expert;
  const bool here = data.expert >= 0 && local >= 0 && local < to.num_local_experts;
  const u64 at = to.row * args.entry.topk + lane_idx();
  const u64 choices = to.window + args.geometry.recv_topk_idx;
  if (args.entry.index_bytes == sizeof(i64)) {
    pointer<i64>(choices)[at] = here ? local : -1;
  } else {
    pointer<i32>(choices)[at] = static_cast<i32>(here ? local : -1);
  }
  if (args.topk_weights != 0) {
    pointer<float>(to.window + args.geometry.recv_topk_weights)[at] = here ? data.weight : 0.0f;
  }
}

__device__ __forceinline__ void store_scales(const PlaceArgs& args, const SideTarget& to, u64 first_word,
                                             const SideData& data) {
  u32* scales = pointer<u32>(to.window + args.geometry.recv_scales + to.row * args.entry.scale_bytes);
#pragma unroll
  for (u32 step = 0; step < kScaleWords; step++) {
    const u64 word = first_word + step * kWarpThreads + lane_idx();
    if (word * sizeof(u32) < args.entry.scale_bytes) {
      scales[word] = data.scales[step];
    }
  }
}

// By one warp: stores what the lanes hold of a token at every destination among 32 ranks. `my_row` is
// the row at this lane's. The first words go with the choices and the source index.
__device__ __forceinline__ void store_side_data(const PlaceArgs& args, const Target* targets, u64 token,
                                                u64 first_word, i64 my_row, u64 first_rank,
                                                const SideData& data) {
  const i64 num_local = static_cast<i64>(args.entry.num_experts / args.geometry.num_ranks);
  for (u32 wanted = __ballot_sync(kAllLanes, my_row >= 0); wanted != 0; wanted &= wanted - 1) {
    const u32 lane = __ffs(wanted) - 1;
    const u64 rank = first_rank + lane;
    const u64 row = __shfl_sync(kAllLanes, my_row, lane);
    const SideTarget to = {targets[rank].window, row, static_cast<i64>(rank) * num_local, num_local};
    store_scales(args, to, first_word, data);
    if (first_word == 0) {
      store_choice(args, to, data);
      if (args.handle.sources != 0 && lane_idx() == 0) {
        pointer<i32>(to.window + args.geometry.recv_source)[row] = static_cast<i32>(token);
      }
    }
  }
}

__device__ inline void place_token_side_data(const PlaceArgs& args, const Target* targets, u64 token) {
  SideData data = {-1, 0.0f, {}};
  load_choice(args, token, &data);
  const u64 num_words = args.entry.scale_bytes / sizeof(u32);
  u64 first_word = 0;
  do {
    load_scales(args, token, first_word, &data);
    for (u64 first = 0; first < args.geometry.num_ranks; first += kWarpThreads) {
      const u64 mine = first + lane_idx();
      const i64 my_row = mine < args.geometry.num_ranks ? row_at(args, targets, token, mine) : -1;
      store_side_data(args, targets, token, first_word, my_row, first, data);
    }
    first_word += kScaleWords * kWarpThreads;
  } while (first_word < num_words);
}

__device__ inline void place_side_data(const PlaceArgs& args, const PlaceShared& shared) {
  if (args.scales == 0 && args.topk_idx == 0 && args.handle.sources == 0) {
    return;
  }
  const u64 warp = warp_idx() - kMovingWarps;
  const u64 stride = static_cast<u64>(gridDim.x) * kSideWarps;
  for (u64 token = blockIdx.x * kSideWarps + warp; token < args.num_tokens; token += stride) {
    place_token_side_data(args, shared.targets, token);
  }
}

// By one warp: the windows that a fresh dispatch was told by the kernel before.
__device__ inline void read_windows(const Geometry& geometry, u64 epoch, u64* windows) {
  for (u64 rank = lane_idx(); rank < geometry.num_ranks; rank += kWarpThreads) {
    windows[rank] = entry_of(geometry, geometry.rank, rank, epoch)->window;
  }
}

// By a whole block: waits until this rank may place. A fresh dispatch was entered by the kernel before.
__device__ inline bool enter_place(const PlaceArgs& args, const PlaceShared& shared, u64 epoch) {
  __shared__ u32 proceed;
  const bool waits = warp_idx() == kMovingWarps;
  if (args.entered != 0) {
    if (waits) {
      read_windows(args.geometry, epoch, shared.windows);
    }
    __syncthreads();
    return true;
  }
  const bool published = blockIdx.x != 0 || publish_call<kMovingWarps>(args, epoch);
  if (waits) {
    const bool agreed = published && await_verdict(args.geometry, args.handle, epoch, shared.windows);
    store_by_warp(&proceed, agreed);
  }
  __syncthreads();
  return proceed != 0;
}

// Sends everything: each warp its role.
__device__ inline void place_all(const PlaceArgs& args, const PlaceShared& shared, const Work& work,
                                 Ring* ring, bool aligned) {
  if (warp_idx() >= kMovingWarps) {
    place_side_data(args, shared);
  } else if (aligned) {
    move_rows(args, shared, work, ring);
  } else {
    move_unaligned_rows(args, shared, work, ring);
  }
}

// By the whole grid: takes what must outlive the window out of it.
__device__ inline void copy_out(const PlaceArgs& args) {
  const Geometry& geometry = args.geometry;
  const u64 window = receive_window(geometry, geometry.rank, args.entry.window);
  const u64 rows = rows_of_round(geometry, args.handle, args.first_row);
  const auto take = [&](u64 to, u64 offset, u64 row_bytes) {
    if (to != 0) {
      copy_rows(to + args.first_row * row_bytes, window + offset, row_bytes, row_bytes, rows);
    }
  };
  take(args.out_rows, 0, args.entry.row_bytes);
  take(args.out_scales, geometry.recv_scales, args.entry.scale_bytes);
  take(args.out_topk_idx, geometry.recv_topk_idx, args.entry.topk * args.entry.index_bytes);
  take(args.out_topk_weights, geometry.recv_topk_weights, args.entry.topk * sizeof(float));
  take(args.handle.sources, geometry.recv_source, sizeof(i32));
}

// By the whole grid: marks the rows behind the last as going nowhere.
__device__ inline void fill_tail(const PlaceArgs& args) {
  const u64 rows = total_rows(args.handle, args.geometry.num_ranks, args.geometry.rank);
  const u64 index_words = args.entry.topk * args.entry.index_bytes / sizeof(u32);
  if (args.tail_topk_idx != 0) {
    for (u64 i = rows * index_words + grid_thread_idx(); i < args.worst_rows * index_words;
         i += grid_threads()) {
      pointer<u32>(args.tail_topk_idx)[i] = ~0u;
    }
  }
  if (args.tail_topk_weights != 0) {
    for (u64 i = rows * args.entry.topk + grid_thread_idx(); i < args.worst_rows * args.entry.topk;
         i += grid_threads()) {
      pointer<float>(args.tail_topk_weights)[i] = 0.0f;
    }
  }
}

__device__ inline bool has_epilogue(const PlaceArgs& args) {
  return args.out_rows != 0 || args.handle.sources != 0 || args.tail_topk_idx != 0;
}

// By a whole block: waits until all ranks placed their rows here.
__device__ inline bool await_finished(const PlaceArgs& args, u64 epoch) {
  __shared__ u32 complete;
  if (warp_idx() == 0) {
    const Wait finish = flag_wait(args.geometry, args.geometry.finished, epoch, kFinishPhase);
    store_by_warp(&complete, await_all(args.geometry, finish));
  }
  __syncthreads();
  return complete != 0;
}

extern "C" __global__ void __launch_bounds__(kPlaceThreads, 1)
    place_rows(const __grid_constant__ PlaceArgs args) {
  LocalState* local = local_state(args.geometry);
  if (args.entered != 0 && ld_relaxed_gpu(&local->entered) != kProceed) {
    return;
  }
  const u64 epoch = current_epoch(args.geometry);
  const PlaceShared shared = place_shared(args);
  const bool aligned = is_aligned(args.x | args.x_pitch, 16);
  const Work work = work_of(args);
  Ring ring = {};
  if (warp_idx() < kMovingWarps) {
    ring = ring_of(args, shared);
  }
  if (warp_idx() < kMovingWarps && aligned) {
    fill_ring(args, work, &ring);
  }
  fill_base_rows(args, shared);
  const bool proceed = enter_place(args, shared, epoch);
  if (proceed) {
    fill_windows(args, shared);
    place_all(args, shared, work, &ring, aligned);
  } else if (warp_idx() < kMovingWarps && aligned) {
    drain_ring(work, ring);
  }
  bool last = is_last_arrival(&local->arrivals);
  if (last && warp_idx() == 0 && !has_failed(args.geometry)) {
    publish_to_all(args.geometry, args.geometry.finished, epoch);
  }
  if (has_epilogue(args)) {
    if (proceed && await_finished(args, epoch)) {
      copy_out(args);
      fill_tail(args);
    }
    last = is_last_arrival(&local->departures);
  }
  if (last) {
    if (!has_failed(args.geometry)) {
      await_finished(args, epoch);
    }
    if (warp_idx() == 0) {
      end_grid(args.geometry, args.reporting, epoch, true);
    }
  }
}

}  // namespace crossdock
