// How a low-latency dispatch sends rows: a block casts pieces of rows into stages in shared memory, then
// one bulk store takes a piece to each of its destinations.
#pragma once

#include "fp8.cuh"
#include "ll_plan.cuh"

namespace crossdock {

constexpr u32 kWordChannels = 8;  // BF16 of a 16-byte word
constexpr u32 kGroupLanes = kGroupChannels / kWordChannels;
constexpr u32 kCastAhead = 4;     // groups that half a warp loads at a time
constexpr u32 kCopyAhead = 8;     // words that a thread loads at a time
constexpr u32 kStageHalves = 2;   // one is cast while the other is read by its stores
constexpr u32 kMaxStages = 64;    // of a half
constexpr u32 kMaxTargets = 512;  // of a half
constexpr u32 kSumLanes = 8;      // that add up the rows before a selection
constexpr u32 kMaxSlices = 4;     // of a batch
constexpr u32 kSlicePieces = 2;   // that a slice has at least, if there are several

// Where a piece goes at one destination; 0 for nowhere.
struct LlTarget {
  u64 row;
  u64 scales;
};

// A selection has its place until it has its target.
union LlSelection {
  LlPlaced placed;
  LlTarget target;
};

// Shared memory: | plan | targets | stages of each half | stages of what is yet to be cast |
struct LlSendMemory {
  char* begin;
  u32* plan;
  LlSelection* selections;
  char* stages;
};

__device__ inline LlSendMemory ll_send_memory() {
  extern __shared__ __align__(128) char send_memory[];
  LlSelection* selections = reinterpret_cast<LlSelection*>(send_memory + kPlanWords * sizeof(u32));
  return {send_memory, reinterpret_cast<u32*>(send_memory), selections,
          reinterpret_cast<char*>(selections + kMaxTargets)};
}

// The shape of a stage: | piece of a row | its scales |
struct LlStage {
  u32 row_bytes;
  u32 num_groups;
  u32 pitch_bytes;
};

__device__ __forceinline__ LlStage ll_stage_of(const LlCall& call, const LlRows& rows) {
  const u32 channels = static_cast<u32>(rows.piece_channels);
  if (!is_fp8(call.terms)) {
    const u32 bytes = channels * static_cast<u32>(sizeof(__nv_bfloat16));
    return {bytes, 0, bytes};
  }
  const u32 groups = channels / kGroupChannels;
  return {channels, groups, (channels + groups * static_cast<u32>(sizeof(float)) + 15) / 16 * 16};
}

// The piece of a row that a stage holds.
struct LlPiece {
  u64 from;
  u32 token;
  u32 first_channel;
  u32 num_channels;
};

// Some pieces of a block: those of one half of the stages, or a slice of them.
struct LlBatch {
  u64 first;  // among the block's pieces
  u32 num_pieces;
  char* stages;
  LlPiece* pieces;  // shared
};

__device__ inline LlPiece ll_piece_at(const LlCall& call, const LlRows& rows, u64 piece) {
  const u32 card = blockIdx.x + static_cast<u32>(piece) * gridDim.x;
  const u32 num_pieces = static_cast<u32>(rows.num_pieces);
  const u32 token = num_pieces == 1 ? card : card / num_pieces;
  const u64 first = (card - token * num_pieces) * rows.piece_channels;
  const u64 channels = min(call.ll.hidden - min(first, call.ll.hidden), rows.piece_channels);
  return {rows.x + token * rows.x_pitch + first * sizeof(__nv_bfloat16), token, static_cast<u32>(first),
          static_cast<u32>(channels)};
}

// Pieces come into shared memory while the block plans, or while the stores of the batch before run. They
// come in slices: the stores of one begin while the next is yet to come.
struct LlFetch {
  char* stages;  // null: they are loaded when they are cast
  u32 pitch_bytes;
  u64* arrived;    // shared: a barrier for each slice
  u32 num_slices;  // a constant of the kernel
  u32 parity;
};

// By a whole block, which must meet before it fetches.
__device__ inline LlFetch ll_fetch_into(const LlRows& rows, char* shared, u64* arrived, u32 num_slices) {
  if (threadIdx.x < num_slices) {
    mbarrier_init(arrived + threadIdx.x, 1);
    fence_mbarrier_init();
  }
  const bool fetches = rows.fetched != 0 && is_aligned(rows.x | rows.x_pitch, sizeof(uint4));
  return {fetches ? shared + rows.fetched : nullptr,
          static_cast<u32>(rows.piece_channels * sizeof(__nv_bfloat16)), arrived, num_slices, 0};
}

// Pieces of a slice of a batch; the last one may have less. What is not fetched is one slice.
__device__ __forceinline__ u32 ll_slice_pieces(const LlFetch& fetch, u32 num_pieces) {
  return fetch.num_slices == 1 || fetch.stages == nullptr
             ? num_pieces
             : max(kSlicePieces, (num_pieces + fetch.num_slices - 1) / fetch.num_slices);
}

// By the first warp: begins to load some pieces of the block.
__device__ inline void ll_fetch(const LlCall& call, const LlRows& rows, const LlFetch& fetch, u64 first,
                                u32 num_pieces) {
  if (fetch.stages == nullptr || num_pieces == 0 || warp_idx() != 0) {
    return;
  }
  const u32 each = ll_slice_pieces(fetch, num_pieces);
  for (u32 slice = 0; slice < fetch.num_slices; slice++) {
    const u32 end = min(num_pieces, (slice + 1) * each);
    u32 bytes = 0;
    for (u32 i = slice * each + lane_idx(); i < end; i += kWarpThreads) {
      bytes += ll_piece_at(call, rows, first + i).num_channels * static_cast<u32>(sizeof(__nv_bfloat16));
    }
    bytes = __reduce_add_sync(kAllLanes, bytes);
    if (lane_idx() == 0) {
      mbarrier_arrive_expect_tx(fetch.arrived + slice, bytes);
    }
  }
  __syncwarp();
  for (u32 i = lane_idx(); i < num_pieces; i += kWarpThreads) {
    const LlPiece piece = ll_piece_at(call, rows, first + i);
    if (piece.num_channels != 0) {
      cp_async_bulk_load(fetch.stages + i * fetch.pitch_bytes, pointer<const void>(piece.from),
                         piece.num_channels * static_cast<u32>(sizeof(__nv_bfloat16)),
                         fetch.arrived + (fetch.num_slices == 1 ? 0 : i / each));
    }
  }
}

// By a whole block: a slice of what was fetched last is there.
__device__ inline void ll_await_slice(const LlFetch& fetch, u32 slice) {
  while (fetch.stages != nullptr && !mbarrier_try_wait_parity(fetch.arrived + slice, fetch.parity)) {
  }
}

// By a whole block: all that was fetched last is there.
__device__ inline void ll_await_fetched(const LlFetch& fetch) {
  for (u32 slice = 0; slice < fetch.num_slices; slice++) {
    ll_await_slice(fetch, slice);
  }
}

// By a whole block: which pieces a batch has.
__device__ inline void ll_deal_pieces(const LlCall& call, const LlRows& rows, const LlBatch& batch) {
  if (threadIdx.x < batch.num_pieces) {
    batch.pieces[threadIdx.x] = ll_piece_at(call, rows, batch.first + threadIdx.x);
  }
}

__device__ __noinline__ uint4 ll_load_unaligned(u64 address) {
  uint4 word;
  unsigned short* halves = reinterpret_cast<unsigned short*>(&word);
#pragma unroll
  for (u32 i = 0; i < kWordChannels; i++) {
    halves[i] = pointer<const unsigned short>(address)[i];
  }
  return word;
}

__device__ __forceinline__ uint4 ll_load_word(u64 address, bool aligned) {
  return aligned ? ld_no_allocate(pointer<const uint4>(address)) : ll_load_unaligned(address);
}

__device__ __forceinline__ __nv_bfloat162 bf16_pair(u32 bits) {
  return *reinterpret_cast<const __nv_bfloat162*>(&bits);
}

__device__ __forceinline__ u32 pair_bits(__nv_bfloat162 pair) {
  return *reinterpret_cast<const u32*>(&pair);
}

// By half a warp, a word a lane: the largest absolute value of a group, but for NaN. Maxima of BF16 are
// exact.
__device__ __forceinline__ float ll_group_amax(uint4 word) {
  const u32 half = lane_idx() < kGroupLanes ? 0x0000ffffu : 0xffff0000u;
  const __nv_bfloat162 low = __hmax2(__habs2(bf16_pair(word.x)), __habs2(bf16_pair(word.y)));
  const __nv_bfloat162 high = __hmax2(__habs2(bf16_pair(word.z)), __habs2(bf16_pair(word.w)));
  __nv_bfloat162 most = __hmax2(low, high);
#pragma unroll
  for (u32 step = kGroupLanes / 2; step > 0; step /= 2) {
    most = __hmax2(most, bf16_pair(__shfl_xor_sync(half, pair_bits(most), step)));
  }
  return fmaxf(kSmallestAmax, fmaxf(__low2float(most), __high2float(most)));
}

// The codes of four scaled channels, which come in two words. A NaN keeps the sign of its channel.
__device__ __forceinline__ u32 ll_four_codes(u32 first, u32 second, float factor) {
  constexpr u32 kUpperBytes = 0x7531;
  constexpr u32 kSignBits = 0x80808080;
  const float2 a = __bfloat1622float2(bf16_pair(first));
  const float2 b = __bfloat1622float2(bf16_pair(second));
  const u32 low = __nv_cvt_float2_to_fp8x2({a.x * factor, a.y * factor}, __NV_SATFINITE, __NV_E4M3);
  const u32 high = __nv_cvt_float2_to_fp8x2({b.x * factor, b.y * factor}, __NV_SATFINITE, __NV_E4M3);
  return low | high << 16 | (__byte_perm(first, second, kUpperBytes) & kSignBits);
}

// By half a warp: casts one group, of which each lane has a word.
__device__ __forceinline__ void ll_cast_group(uint4 word, bool exact, char* codes, float* scale_of_group) {
  const u32 lane = lane_idx() % kGroupLanes;
  const float amax = ll_group_amax(word);
  const float quotient = __fdiv_rn(amax, kLargestCode);
  const float scale = exact ? quotient : power_of_two_above(quotient);
  // Of a power of two the reciprocal is exact, so the product is the quotient.
  const float factor = exact ? __fdiv_rn(kLargestCode, amax) : __frcp_rn(scale);
  reinterpret_cast<uint2*>(codes)[lane] = {ll_four_codes(word.x, word.y, factor),
                                           ll_four_codes(word.z, word.w, factor)};
  if (lane == 0) {
    *scale_of_group = scale;
  }
}

// Walks over the units of all stages, groups or words, without a division.
struct LlWalk {
  u32 stage;
  u32 unit;

  __device__ __forceinline__ void advance(u32 step, u32 num_units) {
    unit += step;
    while (unit >= num_units) {
      unit -= num_units;
      stage++;
    }
  }
};

// By a whole block: casts the pieces of a batch into their stages.
__device__ inline void ll_cast_batch(const LlCall& call, const LlRows& rows, const LlBatch& batch,
                                     const LlFetch& fetch) {
  const LlStage stage = ll_stage_of(call, rows);
  const bool aligned = is_aligned(rows.x | rows.x_pitch, sizeof(uint4));
  const bool exact = call.terms.format == kLlFp8;
  const u32 lane = lane_idx() % kGroupLanes;
  LlWalk walk = {0, 0};
  walk.advance(threadIdx.x / kGroupLanes, stage.num_groups);
  while (walk.stage < batch.num_pieces) {
    uint4 words[kCastAhead] = {};
    LlWalk at = walk;
#pragma unroll
    for (u32 i = 0; i < kCastAhead; i++) {
      const LlPiece& piece = batch.pieces[min(at.stage, batch.num_pieces - 1)];
      if (at.stage < batch.num_pieces && at.unit * kGroupChannels < piece.num_channels) {
        const u32 within = at.unit * kGroupChannels * static_cast<u32>(sizeof(__nv_bfloat16)) +
                           lane * static_cast<u32>(sizeof(uint4));
        words[i] = fetch.stages != nullptr
                       ? *reinterpret_cast<const uint4*>(fetch.stages + at.stage * fetch.pitch_bytes + within)
                       : ll_load_word(piece.from + within, aligned);
      }
      at.advance(kLlThreads / kGroupLanes, stage.num_groups);
    }
#pragma unroll
    for (u32 i = 0; i < kCastAhead; i++) {
      const LlPiece& piece = batch.pieces[min(walk.stage, batch.num_pieces - 1)];
      if (walk.stage < batch.num_pieces && walk.unit * kGroupChannels < piece.num_channels) {
        char* to = batch.stages + walk.stage * stage.pitch_bytes;
        ll_cast_group(words[i], exact, to + walk.unit * kGroupChannels,
                      reinterpret_cast<float*>(to + stage.row_bytes) + walk.unit);
      }
      walk.advance(kLlThreads / kGroupLanes, stage.num_groups);
    }
  }
}

// By a whole block: loads the BF16 pieces of a batch into their stages.
__device__ inline void ll_copy_batch(const LlCall& call, const LlRows& rows, const LlBatch& batch) {
  const bool aligned = is_aligned(rows.x | rows.x_pitch, sizeof(uint4));
  const u32 num_words = static_cast<u32>(rows.piece_channels) / kWordChannels;
  LlWalk walk = {0, 0};
  walk.advance(threadIdx.x, num_words);
  while (walk.stage < batch.num_pieces) {
    uint4 words[kCopyAhead] = {};
    LlWalk at = walk;
#pragma unroll
    for (u32 i = 0; i < kCopyAhead; i++) {
      const LlPiece& piece = batch.pieces[min(at.stage, batch.num_pieces - 1)];
      if (at.stage < batch.num_pieces && at.unit * kWordChannels < piece.num_channels) {
        words[i] = ll_load_word(piece.from + at.unit * sizeof(uint4), aligned);
      }
      at.advance(kLlThreads, num_words);
    }
#pragma unroll
    for (u32 i = 0; i < kCopyAhead; i++) {
      if (walk.stage < batch.num_pieces) {
        reinterpret_cast<uint4*>(batch.stages)[walk.stage * num_words + walk.unit] = words[i];
      }
      walk.advance(kLlThreads, num_words);
    }
  }
}

// What a dispatch needs to know of where rows go.
struct LlRoute {
  LlPath path;
  u64* areas;  // [R] in shared memory: where results lie, if direct
  u64 epoch;
};

// By one thread: where a selection of a piece goes through the lanes.
__device__ inline LlTarget ll_lane_target(const LlCall& call, const LlRoute& route, const LlPlaced& placed,
                                          u32 at) {
  const u64 owner = ll_owner_of(call, static_cast<u32>(placed.expert));
  const u64 slot = placed.slot;
  if (is_masked(call, owner) || slot >= call.ll.num_slots) {
    return {0, 0};
  }
  const u64 lane = ll_dispatch_lane(call, owner, call.geometry.rank, route.epoch);
  const u64 num_groups = call.ll.hidden / kGroupChannels;
  pointer<i32>(lane + call.ll.lane_sources)[slot] = static_cast<i32>(ll_token_at(call, at));
  return {lane + slot * ll_row_bytes(call), lane + call.ll.lane_scales + slot * num_groups * sizeof(float)};
}

__device__ __forceinline__ u64 ll_scale_columns(const LlCall& call) {
  const u64 num_groups = call.ll.hidden / kGroupChannels;
  return call.terms.format == kLlFp8Ue8m0 ? (num_groups + 3) / 4 : num_groups;
}

// By one thread: where a selection goes straight, given the rows of lower ranks for its expert.
__device__ inline LlTarget ll_direct_target(const LlCall& call, const LlRoute& route, const LlPlaced& placed,
                                            u32 at, u64 rows_before) {
  const u32 expert = static_cast<u32>(placed.expert);
  const u32 owner = ll_owner_of(call, expert);
  const u64 local = expert - owner * call.num_local;  // among those of the owner
  const u64 row = rows_before + placed.rank;
  pointer<i32>(call.handle.rows)[at] = static_cast<i32>(row);
  if (row >= ll_result_rows(call)) {
    return {0, 0};
  }
  const u64 area = route.areas[owner];
  const u64 index = local * ll_result_rows(call) + row;
  pointer<i32>(area + call.ll.area_sources)[index] = static_cast<i32>(ll_token_at(call, at));
  const u64 column = local * ll_scale_columns(call) * ll_result_rows(call) + row;
  return {area + index * ll_row_bytes(call), area + call.ll.area_scales + column * sizeof(float)};
}

// By some lanes of a warp together: rows that lower ranks send to an expert; -1 for none.
__device__ inline bool ll_add_counts_before(const LlCall& call, u64 epoch, i64 expert, u64* sum) {
  const u32 sub = lane_idx() % kSumLanes;
  *sum = 0;
  for (u64 first = 0; first < call.geometry.rank; first += kSumLanes) {
    const u64 source = first + sub;
    const bool counts = expert >= 0 && source < call.geometry.rank;
    const u64* word =
        counts ? ll_announced_counts(call, call.geometry.rank, source, epoch) + expert : nullptr;
    u64 seen;
    if (!ll_await_words(call, word, ll_tag(epoch), source, &seen)) {
      return false;
    }
    *sum += ll_payload(seen);
  }
#pragma unroll
  for (u32 step = kSumLanes / 2; step > 0; step /= 2) {
    *sum += __shfl_xor_sync(kAllLanes, *sum, step);
  }
  return true;
}

// By a whole block: where the selections of a batch go. False if the call fails.
__device__ inline bool ll_find_targets(const LlCall& call, const LlRoute& route, const LlBatch& batch,
                                       LlSelection* selections) {
  const u32 topk = static_cast<u32>(call.topk);
  const u32 num_targets = batch.num_pieces * topk;
  bool came = true;
  for (u32 first = 0; first < num_targets; first += kLlThreads / kSumLanes) {
    const u32 i = first + threadIdx.x / kSumLanes;
    const u32 stage = ll_token_at(call, i);
    LlPlaced placed = {-1, 0, 0};
    u32 at = 0;
    if (i < num_targets) {
      at = batch.pieces[stage].token * topk + (i - stage * topk);
      placed = batch.first == 0 ? selections[i].placed : ll_placed_at(call, at);
    }
    u64 rows_before = 0;
    came = came &&
           (route.path != kLlDirect || ll_add_counts_before(call, route.epoch, placed.expert, &rows_before));
    __syncwarp();
    if (i < num_targets && threadIdx.x % kSumLanes == 0) {
      LlTarget target = {0, 0};
      if (came && placed.expert >= 0) {
        target = route.path == kLlDirect ? ll_direct_target(call, route, placed, at, rows_before)
                                         : ll_lane_target(call, route, placed, at);
      }
      selections[i].target = target;
    }
  }
  return __syncthreads_and(came ? 1 : 0) != 0;
}

// By a whole block, a warp for each destination: the scales of a batch.
__device__ inline void ll_send_scales(const LlCall& call, const LlRows& rows, const LlRoute& route,
                                      const LlBatch& batch, const LlSelection* selections) {
  const LlStage stage = ll_stage_of(call, rows);
  const u32 topk = static_cast<u32>(call.topk);
  const bool packed = route.path == kLlDirect && call.terms.format == kLlFp8Ue8m0;
  const u32 per_word = packed ? 4 : 1;
  const u64 pitch = route.path == kLlDirect ? ll_result_rows(call) : 1;
  for (u32 i = warp_idx(); stage.num_groups != 0 && i < batch.num_pieces * topk; i += kLlWarps) {
    const u64 to = selections[i].target.scales;
    if (selections[i].target.row == 0) {
      continue;
    }
    const u32 at = ll_token_at(call, i);
    const u32 num_groups = batch.pieces[at].num_channels / kGroupChannels;
    const u32 first_word = batch.pieces[at].first_channel / kGroupChannels / per_word;
    const float* scales =
        reinterpret_cast<const float*>(batch.stages + at * stage.pitch_bytes + stage.row_bytes);
    for (u32 word = lane_idx(); word * per_word < num_groups; word += kWarpThreads) {
      const u32 group = word * per_word;
      const u32 bits =
          packed ? ll_pack_exponents(scales + group, num_groups - group) : __float_as_uint(scales[group]);
      pointer<u32>(to)[(first_word + word) * pitch] = bits;
    }
  }
}

// By a whole block: begins the bulk stores of a slice. Results leave the cache first, and x stays.
__device__ inline void ll_send_slice(const LlCall& call, const LlRows& rows, const LlBatch& slice,
                                     const LlSelection* selections, LlPath path) {
  const LlStage stage = ll_stage_of(call, rows);
  const u64 policy = path == kLlDirect ? createpolicy_evict_first() : createpolicy_evict_normal();
  const u32 topk = static_cast<u32>(call.topk);
  const u32 channel_bytes = is_fp8(call.terms) ? 1 : sizeof(__nv_bfloat16);
  for (u32 i = threadIdx.x; i < slice.num_pieces * topk; i += kLlThreads) {
    const u32 at = ll_token_at(call, i);
    const LlPiece& piece = slice.pieces[at];
    const u64 row = selections[i].target.row;
    if (row != 0) {
      cp_async_bulk_store(pointer<char>(row + piece.first_channel * channel_bytes),
                          slice.stages + at * stage.pitch_bytes, piece.num_channels * channel_bytes, policy);
    }
  }
}

// What a block works with.
struct LlSending {
  LlSelection* selections;
  LlRoute route;
  LlFetch fetch;
};

// Pieces of a batch that begins with one of the block's.
__device__ __forceinline__ u32 ll_pieces_from(const LlShare& share, const LlRows& rows, u64 first) {
  return static_cast<u32>(first < share.num_pieces ? min(share.num_pieces - first, rows.num_stages) : 0);
}

// By a whole block: brings a slice of a batch into its stages.
__device__ inline void ll_stage_slice(const LlCall& call, const LlRows& rows, const LlBatch& batch,
                                      const LlBatch& slice, const LlFetch& fetch) {
  if (is_fp8(call.terms)) {
    const u32 begin = static_cast<u32>(slice.first - batch.first);
    LlFetch part = fetch;
    part.stages = fetch.stages == nullptr ? nullptr : fetch.stages + begin * fetch.pitch_bytes;
    ll_await_slice(fetch, begin == 0 ? 0 : begin / ll_slice_pieces(fetch, batch.num_pieces));
    ll_cast_batch(call, rows, slice, part);
  } else {
    ll_copy_batch(call, rows, slice);
  }
  fence_proxy_async();
}

// By a whole block: casts a batch, learns where it goes, and begins its stores, and the loads of the next.
// False if the call fails.
__device__ inline bool ll_process_batch(const LlCall& call, const LlRows& rows, const LlBatch& batch,
                                        u32 num_next, LlSending* sending) {
  LlRoute* route = &sending->route;
  const u32 pitch_bytes = ll_stage_of(call, rows).pitch_bytes;
  const u32 each = ll_slice_pieces(sending->fetch, batch.num_pieces);
  u32 begin = 0;
  do {
    const LlBatch slice = {batch.first + begin, min(each, batch.num_pieces - begin),
                           batch.stages + begin * pitch_bytes, batch.pieces + begin};
    ll_stage_slice(call, rows, batch, slice, sending->fetch);
    if (route->path == kLlUndecided) {
      route->path = ll_agree_on_path(call, route->epoch, route->areas);
    } else {
      __syncthreads();
    }
    if (route->path == kLlFailed ||
        (begin == 0 && !ll_find_targets(call, *route, batch, sending->selections))) {
      ll_await_fetched(sending->fetch);
      return false;
    }
    ll_send_slice(call, rows, slice, sending->selections + begin * static_cast<u32>(call.topk), route->path);
    begin += each;
  } while (sending->fetch.num_slices != 1 && begin < batch.num_pieces);
  cp_async_bulk_commit_group();
  sending->fetch.parity ^= 1;
  ll_fetch(call, rows, sending->fetch, batch.first + batch.num_pieces, num_next);
  ll_send_scales(call, rows, *route, batch, sending->selections);
  return true;
}

// What a block has before it looks at memory that kernels before may still write.
struct LlReady {
  LlSendMemory memory;
  LlShare share;
  LlFetch fetch;
  LlBatch batch;  // the first
};

// By a whole block, which will send its batches in so many slices.
__device__ inline LlReady ll_make_ready(const LlCall& call, const LlRows& rows, u32 num_slices) {
  __shared__ LlPiece pieces[kMaxStages];
  __shared__ u64 arrived[kMaxSlices];
  const LlSendMemory memory = ll_send_memory();
  const LlShare share = ll_share_of(call, rows.num_pieces);
  const LlBatch batch = {0, ll_pieces_from(share, rows, 0), memory.stages, pieces};
  LlFetch fetch = ll_fetch_into(rows, memory.begin, arrived, num_slices);
  fetch.stages = batch.num_pieces == 0 ? nullptr : fetch.stages;
  ll_clear_marks(ll_plan_in(call, memory.plan));
  ll_deal_pieces(call, rows, batch);
  __syncthreads();
  return {memory, share, fetch, batch};
}

// How a block begins a dispatch.
struct LlStart {
  LlHeld held;
  const LlBeginning& beginning;
};

__device__ __forceinline__ LlStart ll_start(const LlCall& call, u64 epoch) {
  const LlHeld held = ll_hold_choices(call);
  return {held, ll_begin(call, epoch)};
}

// By a whole block: sends all pieces of the block. `areas`[R] is room for where results lie, null if the
// call has a hook, so that rows cannot go straight there. The stores may still be under way afterwards.
__device__ inline LlPath ll_send_rows(const LlCall& call, const LlRows& rows, const LlReady& ready,
                                      const LlStart& start, u64 epoch, u64* areas) {
  const LlSendMemory& memory = ready.memory;
  const LlShare& share = ready.share;
  LlBatch batch = ready.batch;
  LlFetch fetch = ready.fetch;
  const bool direct = areas != nullptr && call.ll.may_shrink == 0 && gridDim.x <= kMaxSenders;
  ll_fetch(call, rows, fetch, 0, batch.num_pieces);
  const u32 num_placed = batch.num_pieces * static_cast<u32>(call.topk);
  const LlPlanning planning = {share,     start.held, memory.plan, direct, &memory.selections->placed,
                               num_placed};
  if (!ll_plan(call, planning, start.beginning, epoch)) {
    ll_await_fetched(fetch);
    return kLlFailed;
  }
  const bool offered = direct && start.beginning.unmasked != 0;
  LlSending sending = {memory.selections, {offered ? kLlUndecided : kLlThroughLanes, areas, epoch}, fetch};
  const u32 half_bytes = static_cast<u32>(rows.num_stages) * ll_stage_of(call, rows).pitch_bytes;
  for (u32 turn = 1;; turn++) {
    const u32 num_next = ll_pieces_from(share, rows, batch.first + batch.num_pieces);
    if (!ll_process_batch(call, rows, batch, num_next, &sending)) {
      return kLlFailed;
    }
    if (num_next == 0) {
      return sending.route.path;
    }
    batch.first += batch.num_pieces;
    batch.num_pieces = num_next;
    batch.stages = memory.stages + turn % kStageHalves * half_bytes;
    cp_async_bulk_wait_group_read<kStageHalves - 1>();
    __syncthreads();
    ll_deal_pieces(call, rows, batch);
    __syncthreads();
  }
}

// The stores of this thread's bulk copies are complete, and ordered before what it publishes.
__device__ __forceinline__ void ll_settle_rows() {
  cp_async_bulk_wait_group_all();
  fence_proxy_async();
}

}  // namespace crossdock
