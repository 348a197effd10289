// Brings expert outputs home: each rank reads its rows where they lie and sums them in rank order.
//
//   all blocks   staged: await the readers of the output window, copy the rows into it
//   last block   publish the entry: the rows may be read
//   all blocks   await the verdict; a token a warp: read its rows, add in float32, round once
//   last block   publish that this rank has pulled, report, advance the epoch
#include <cuda_bf16.h>

#include "../include/protocol.cuh"

namespace crossdock {

constexpr u32 kCombineThreads = 512;
constexpr u32 kFastRows = 8;     // a token with no more rows takes the fast path
constexpr u32 kWordsAhead = 16;  // 16-byte words in flight in a lane there
constexpr u32 kMaxUnroll = 4;    // of one row
constexpr u32 kRows = 4;         // rows read at once otherwise; more are added in further passes
constexpr u32 kChannels = 8;     // BF16 channels of a 16-byte word

// Rows of one rank, as this rank sees them. Shared memory: | sources [R] | windows that they chose [R] |
struct Source {
  i64 base_row;  // of this rank's tokens there, less the first row of the round
  u64 window;
};

__device__ __forceinline__ uint4 load_channels(u64 address, bool aligned) {
  if (aligned) {
    return ld_no_allocate(pointer<const void>(address));
  }
  uint4 value;
  unsigned short* words = reinterpret_cast<unsigned short*>(&value);
#pragma unroll
  for (u32 i = 0; i < kChannels; i++) {
    words[i] = pointer<const unsigned short>(address)[i];
  }
  return value;
}

__device__ __forceinline__ void store_channels(u64 address, uint4 value, bool aligned) {
  if (aligned) {
    st_no_allocate(pointer<void>(address), value);
    return;
  }
  const unsigned short* words = reinterpret_cast<const unsigned short*>(&value);
#pragma unroll
  for (u32 i = 0; i < kChannels; i++) {
    pointer<unsigned short>(address)[i] = words[i];
  }
}

__device__ __forceinline__ void add_channels(float* sums, uint4 value) {
  const __nv_bfloat162* pairs = reinterpret_cast<const __nv_bfloat162*>(&value);
#pragma unroll
  for (u32 i = 0; i < kChannels / 2; i++) {
    const float2 pair = __bfloat1622float2(pairs[i]);
    sums[2 * i] += pair.x;
    sums[2 * i + 1] += pair.y;
  }
}

__device__ __forceinline__ uint4 round_channels(const float* sums) {
  uint4 value;
  __nv_bfloat162* pairs = reinterpret_cast<__nv_bfloat162*>(&value);
#pragma unroll
  for (u32 i = 0; i < kChannels / 2; i++) {
    pairs[i] = __floats2bfloat162_rn(sums[2 * i], sums[2 * i + 1]);
  }
  return value;
}

// The addresses of a token's rows, in rank order.
template <u32 kMaxRows>
struct TokenRows {
  u64 addresses[kMaxRows];
  u32 count;
};

// Where the row of a token at a rank lies in this round; 0 if there is none.
__device__ __forceinline__ u64 row_address(const CombineArgs& args, const Source* sources, u64 token,
                                           u64 rank) {
  const i32 position = pointer<const i32>(args.handle.positions)[token * args.geometry.num_ranks + rank];
  const i64 row = sources[rank].base_row + position;
  const bool here = position >= 0 && row >= 0 && row < static_cast<i64>(args.geometry.capacity_rows);
  return here ? sources[rank].window + row * args.entry.row_bytes : 0;
}

// By one warp: takes rows out of the ballot of lanes that have one, as many as fit.
template <u32 kMaxRows>
__device__ __forceinline__ TokenRows<kMaxRows> take_rows(u64 my_address, u32* wanted) {
  TokenRows<kMaxRows> rows;
  rows.count = min(static_cast<u32>(__popc(*wanted)), kMaxRows);
#pragma unroll
  for (u32 i = 0; i < kMaxRows; i++) {
    const u32 lane = *wanted != 0 ? __ffs(*wanted) - 1 : 0;
    *wanted &= *wanted - 1;
    rows.addresses[i] = __shfl_sync(kAllLanes, my_address, lane);
  }
  return rows;
}

// By one lane: adds the words of a token's rows at `word` and kWarpThreads further on, all loads ahead
// of the first add.
template <u32 kUnroll, u32 kMaxRows>
__device__ __forceinline__ void add_rows(const TokenRows<kMaxRows>& rows, u64 word, u64 num_words,
                                         float (&sums)[kUnroll][kChannels]) {
  uint4 values[kUnroll][kMaxRows];
#pragma unroll
  for (u32 step = 0; step < kUnroll; step++) {
    const u64 at = word + step * kWarpThreads;
#pragma unroll
    for (u32 i = 0; i < kMaxRows; i++) {
      if (i < rows.count && at < num_words) {
        values[step][i] = ld_no_allocate(pointer<const void>(rows.addresses[i] + at * sizeof(uint4)));
      }
    }
  }
#pragma unroll
  for (u32 step = 0; step < kUnroll; step++) {
    const u64 at = word + step * kWarpThreads;
#pragma unroll
    for (u32 i = 0; i < kMaxRows; i++) {
      if (i < rows.count && at < num_words) {
        add_channels(sums[step], values[step][i]);
      }
    }
  }
}

// Biases are the first rows of a sum. They are read like the rows of ranks where that is possible: by
// lanes that no rank needs, in aligned words.
__device__ __forceinline__ u32 num_biases(const CombineArgs& args) {
  return (args.bias0 != 0 ? 1 : 0) + (args.bias1 != 0 ? 1 : 0);
}

__device__ __forceinline__ u32 num_bias_rows(const CombineArgs& args) {
  const u64 bits = args.bias0 | args.bias0_pitch | args.bias1 | args.bias1_pitch;
  const bool fit = args.geometry.num_ranks + num_biases(args) <= kWarpThreads;
  return fit && is_aligned(bits, sizeof(uint4)) ? num_biases(args) : 0;
}

__device__ __forceinline__ u64 bias_row(const CombineArgs& args, u64 token, u32 index) {
  return index == 0 ? args.bias0 + token * args.bias0_pitch : args.bias1 + token * args.bias1_pitch;
}

// What a sum starts from: with a bias -0, which leaves any value that is added to it as it is.
__device__ __forceinline__ float first_sum(const CombineArgs& args) {
  return args.bias0 != 0 ? -0.0f : 0.0f;
}

// By one lane: adds the biases that are not read as rows.
__device__ __forceinline__ void add_biases(const CombineArgs& args, u64 token, u64 word, float* sums) {
  if (num_bias_rows(args) == num_biases(args)) {
    return;
  }
  add_channels(sums, load_channels(bias_row(args, token, 0) + word * sizeof(uint4), false));
  if (args.bias1 != 0) {
    add_channels(sums, load_channels(bias_row(args, token, 1) + word * sizeof(uint4), false));
  }
}

// By one lane: words of a token that lie kWarpThreads apart, all loads ahead of the first add.
template <u32 kNumRows, u32 kUnroll>
__device__ __forceinline__ void sum_words(const u64 (&addresses)[kFastRows], u64 out, u64 word, float first) {
  uint4 values[kUnroll][kNumRows];
#pragma unroll
  for (u32 step = 0; step < kUnroll; step++) {
#pragma unroll
    for (u32 i = 0; i < kNumRows; i++) {
      values[step][i] = ld_no_allocate(pointer<const uint4>(addresses[i]) + word + step * kWarpThreads);
    }
  }
#pragma unroll
  for (u32 step = 0; step < kUnroll; step++) {
    float sums[kChannels] = {first, first, first, first, first, first, first, first};
#pragma unroll
    for (u32 i = 0; i < kNumRows; i++) {
      add_channels(sums, values[step][i]);
    }
    st_no_allocate(pointer<uint4>(out) + word + step * kWarpThreads, round_channels(sums));
  }
}

// By one warp: sums exactly so many rows of a token into aligned memory.
template <u32 kNumRows>
__device__ __forceinline__ void sum_rows(const u64 (&addresses)[kFastRows], u64 out, u64 num_words,
                                         float first) {
  constexpr u32 kUnroll = kWordsAhead / kNumRows < kMaxUnroll ? kWordsAhead / kNumRows : kMaxUnroll;
  u64 word = lane_idx();
#pragma unroll 1
  for (; word + (kUnroll - 1) * kWarpThreads < num_words; word += kUnroll * kWarpThreads) {
    sum_words<kNumRows, kUnroll>(addresses, out, word, first);
  }
#pragma unroll 1
  for (; word < num_words; word += kWarpThreads) {
    sum_words<kNumRows, 1>(addresses, out, word, first);
  }
}

// By one warp: the sum of no rows.
__device__ __forceinline__ void fill_row(u64 out, u64 num_words, float first) {
  const float sums[kChannels] = {first, first, first, first, first, first, first, first};
  for (u64 word = lane_idx(); word < num_words; word += kWarpThreads) {
    st_no_allocate(pointer<uint4>(out) + word, round_channels(sums));
  }
}

// By one warp: sums a token with few rows in aligned memory.
__device__ __forceinline__ void sum_few_rows(const TokenRows<kFastRows>& rows, u64 out, u64 num_words,
                                             float first) {
  switch (rows.count) {
    case 0:
      return fill_row(out, num_words, first);
    case 1:
      return sum_rows<1>(rows.addresses, out, num_words, first);
    case 2:
      return sum_rows<2>(rows.addresses, out, num_words, first);
    case 3:
      return sum_rows<3>(rows.addresses, out, num_words, first);
    case 4:
      return sum_rows<4>(rows.addresses, out, num_words, first);
    case 5:
      return sum_rows<5>(rows.addresses, out, num_words, first);
    case 6:
      return sum_rows<6>(rows.addresses, out, num_words, first);
    case 7:
      return sum_rows<7>(rows.addresses, out, num_words, first);
    default:
      return sum_rows<8>(rows.addresses, out, num_words, first);
  }
}

// By one warp: sums a token with more rows than are read at once, or in unaligned memory.
__device__ __forceinline__ void sum_any_rows(const CombineArgs& args, u64 token, u64 my_address) {
  const u64 num_words = args.entry.row_bytes / sizeof(uint4);
  const u64 out = args.combined_x + token * args.combined_x_pitch;
  const u32 all = __ballot_sync(kAllLanes, my_address != 0);
#pragma unroll 1
  for (u64 first = 0; first < num_words; first += kWarpThreads) {
    const u64 word = first + lane_idx();
    float sums[1][kChannels];
#pragma unroll
    for (u32 i = 0; i < kChannels; i++) {
      sums[0][i] = first_sum(args);
    }
    if (word < num_words) {
      add_biases(args, token, word, sums[0]);
    }
    for (u32 wanted = all; wanted != 0;) {
      add_rows<1, kRows>(take_rows<kRows>(my_address, &wanted), word, num_words, sums);
    }
    if (word < num_words) {
      store_channels(out + word * sizeof(uint4), round_channels(sums[0]), is_aligned(out, sizeof(uint4)));
    }
  }
}

// By one warp: sums a token whose rows lie at up to 32 places, `my_address` being this lane's.
__device__ __forceinline__ void sum_token(const CombineArgs& args, u64 token, u64 my_address) {
  u32 wanted = __ballot_sync(kAllLanes, my_address != 0);
  const u32 count = __popc(wanted);
  const u64 out = args.combined_x + token * args.combined_x_pitch;
  const u64 num_words = args.entry.row_bytes / sizeof(uint4);
  const bool simple = num_bias_rows(args) == num_biases(args) && is_aligned(out, sizeof(uint4));
  if (simple && count <= kFastRows) {
    sum_few_rows(take_rows<kFastRows>(my_address, &wanted), out, num_words, first_sum(args));
  } else {
    sum_any_rows(args, token, my_address);
  }
}

// This lane's row of a token: a bias, or the row of a rank. Where ranks are more than lanes are left,
// each lane takes the next rank that has one.
__device__ inline u64 my_source(const CombineArgs& args, const Source* sources, u64 token) {
  const u32 biases = num_bias_rows(args);
  u64 mine = lane_idx() < biases ? bias_row(args, token, lane_idx()) : 0;
  if (args.geometry.num_ranks + biases <= kWarpThreads) {
    const u64 rank = lane_idx() - biases;
    return lane_idx() >= biases && rank < args.geometry.num_ranks ? row_address(args, sources, token, rank)
                                                                  : mine;
  }
  u32 found = biases;
  for (u64 first = 0; first < args.geometry.num_ranks; first += kWarpThreads) {
    const u64 rank = first + lane_idx();
    const u64 address = rank < args.geometry.num_ranks ? row_address(args, sources, token, rank) : 0;
    for (u32 hits = __ballot_sync(kAllLanes, address != 0); hits != 0; hits &= hits - 1, found++) {
      const u64 hit = __shfl_sync(kAllLanes, address, __ffs(hits) - 1);
      mine = found == lane_idx() ? hit : mine;
    }
  }
  return mine;
}

// The weights of a row that lies in an output window.
__device__ __forceinline__ const float* row_weights(const CombineArgs& args, const Source* sources, u64 token,
                                                    u64 rank) {
  const u64 address = row_address(args, sources, token, rank);
  if (address == 0) {
    return nullptr;
  }
  const u64 row = (address - sources[rank].window) / args.entry.row_bytes;
  return pointer<const float>(sources[rank].window + args.geometry.output_weights) + row * args.entry.topk;
}

// By one warp: sums the weights of a token, a choice a lane.
__device__ inline void sum_weights(const CombineArgs& args, const Source* sources, u64 token) {
  const u32 k = lane_idx();
  if (k >= args.entry.topk) {
    return;
  }
  float sum = 0.0f;
  for (u64 rank = 0; rank < args.geometry.num_ranks; rank++) {
    const float* weights = row_weights(args, sources, token, rank);
    if (weights != nullptr) {
      sum += weights[k];
    }
  }
  pointer<float>(args.combined_weights + token * args.combined_weights_pitch)[k] = sum;
}

// By one warp: copies the rows of a token that are there in this round to their places at home.
__device__ inline void gather_token(const CombineArgs& args, const Source* sources, u64 token) {
  const u64 num_words = args.entry.row_bytes / sizeof(uint4);
  u64 slot = token * args.max_per_token;
  for (u64 rank = 0; rank < args.geometry.num_ranks; rank++) {
    const i32 position = pointer<const i32>(args.handle.positions)[token * args.geometry.num_ranks + rank];
    const u64 from = row_address(args, sources, token, rank);
    for (u64 word = lane_idx(); from != 0 && word < num_words; word += kWarpThreads) {
      pointer<uint4>(args.gathered + slot * args.entry.row_bytes)[word] =
          ld_no_allocate(pointer<const uint4>(from) + word);
    }
    if (from != 0 && args.gathered_weights != 0 && lane_idx() < args.entry.topk) {
      pointer<float>(args.gathered_weights)[slot * args.entry.topk + lane_idx()] =
          row_weights(args, sources, token, rank)[lane_idx()];
    }
    slot += position >= 0 ? 1 : 0;
  }
}

// By one warp: how many rows of a token were gathered.
__device__ inline u32 num_gathered(const CombineArgs& args, u64 token) {
  u32 count = 0;
  for (u64 rank = 0; rank < args.geometry.num_ranks; rank++) {
    count += pointer<const i32>(args.handle.positions)[token * args.geometry.num_ranks + rank] >= 0;
  }
  return count;
}

// This lane's row of a token whose rows were gathered.
__device__ inline u64 my_gathered(const CombineArgs& args, u64 token) {
  const u32 biases = num_bias_rows(args);
  if (lane_idx() < biases) {
    return bias_row(args, token, lane_idx());
  }
  const u32 i = lane_idx() - biases;
  const u64 slot = token * args.max_per_token + i;
  return i < num_gathered(args, token) ? args.gathered + slot * args.entry.row_bytes : 0;
}

// By one warp: sums the weights of a token that were gathered, a choice a lane.
__device__ inline void sum_gathered_weights(const CombineArgs& args, u64 token) {
  const u64 topk = args.entry.topk;
  if (lane_idx() < topk) {
    const float* weights = pointer<const float>(args.gathered_weights) + token * args.max_per_token * topk;
    const u32 count = num_gathered(args, token);
    float sum = 0.0f;
    for (u32 i = 0; i < count; i++) {
      sum += weights[i * topk + lane_idx()];
    }
    pointer<float>(args.combined_weights + token * args.combined_weights_pitch)[lane_idx()] = sum;
  }
}

// By the whole grid: copies this round's rows and weights into the output window.
__device__ inline void stage_rows(const CombineArgs& args) {
  const Geometry& geometry = args.geometry;
  const u64 window = output_window(geometry, geometry.rank, args.entry.window);
  const u64 rows = rows_of_round(geometry, args.handle, args.first_row);
  if (args.y != 0) {
    copy_rows(window, args.y + args.first_row * args.y_pitch, args.y_pitch, args.entry.row_bytes, rows);
  }
  const u64 topk = args.entry.topk;
  for (u64 i = grid_thread_idx(); args.weights != 0 && i < rows * topk; i += grid_threads()) {
    const u64 from = args.weights + (args.first_row + i / topk) * args.weights_pitch;
    pointer<float>(window + geometry.output_weights)[i] = pointer<const float>(from)[i % topk];
  }
}

// By a whole block: waits until nobody reads what lay in the output window before.
__device__ inline bool await_readers(const Geometry& geometry, u64 window) {
  __shared__ u32 free;
  if (warp_idx() == 0) {
    const u64 published = local_state(geometry)->output_epochs[window];
    store_by_warp(&free, await_all(geometry, flag_wait(geometry, geometry.pulled, published, kPullPhase)));
  }
  __syncthreads();
  return free != 0;
}

// By a whole block: stages, publishes that the rows may be read, and waits for those of all ranks. Rows
// that are there already need not be waited for by the block that publishes.
__device__ inline bool enter_combine(const CombineArgs& args, u64 epoch, u64* windows) {
  __shared__ u32 verdict;
  const Geometry& geometry = args.geometry;
  const bool stages = args.y != 0 || args.weights != 0;
  bool proceed = true;
  if (stages) {
    proceed = await_readers(geometry, args.entry.window);
    if (proceed) {
      stage_rows(args);
    }
  }
  if (stages ? is_last_arrival(&local_state(geometry)->arrivals) : blockIdx.x == 0) {
    proceed = proceed && publish_call<0>(args, epoch);
  }
  if (warp_idx() == 0) {
    store_by_warp(&verdict, proceed && await_verdict(geometry, args.handle, epoch, windows));
  }
  __syncthreads();
  return verdict != 0;
}

__device__ inline void fill_base_rows(const CombineArgs& args, Source* sources) {
  const Geometry& geometry = args.geometry;
  for (u64 rank = threadIdx.x; rank < geometry.num_ranks; rank += blockDim.x) {
    const i64 base = base_row(args.handle, geometry.num_ranks, geometry.rank, rank);
    sources[rank].base_row = base - static_cast<i64>(args.first_row);
  }
}

__device__ inline void fill_windows(const CombineArgs& args, const u64* windows, Source* sources) {
  for (u64 rank = threadIdx.x; rank < args.geometry.num_ranks; rank += blockDim.x) {
    sources[rank].window = output_window(args.geometry, rank, windows[rank]);
  }
  __syncthreads();
}

__device__ inline void pull_rows(const CombineArgs& args, const Source* sources) {
  const bool gathered = args.mode == kSumGathered;
  Claims claims = start_claims(args.geometry);
  for (u64 token = take_unit(&claims); token < args.num_tokens; token = take_unit(&claims)) {
    if (args.mode == kGather) {
      gather_token(args, sources, token);
      continue;
    }
    sum_token(args, token, gathered ? my_gathered(args, token) : my_source(args, sources, token));
    if (args.combined_weights != 0 && gathered) {
      sum_gathered_weights(args, token);
    } else if (args.combined_weights != 0) {
      sum_weights(args, sources, token);
    }
  }
}

// By the first warp of the last block.
__device__ inline void leave_combine(const CombineArgs& args, u64 epoch) {
  if (!has_failed(args.geometry)) {
    if (lane_idx() == 0) {
      local_state(args.geometry)->output_epochs[args.entry.window] = epoch;
    }
    publish_to_all(args.geometry, args.geometry.pulled, epoch);
  }
  end_grid(args.geometry, args.reporting, epoch, true);
}

extern "C" __global__ void __launch_bounds__(kCombineThreads, 1)
    combine_rows(const __grid_constant__ CombineArgs args) {
  extern __shared__ __align__(16) char combine_memory[];
  Source* sources = reinterpret_cast<Source*>(combine_memory);
  u64* windows = reinterpret_cast<u64*>(sources + args.geometry.num_ranks);
  const bool exchanges = args.mode != kSumGathered;
  const u64 epoch = current_epoch(args.geometry);
  if (!exchanges) {
    pull_rows(args, sources);
  } else {
    fill_base_rows(args, sources);
    if (enter_combine(args, epoch, windows)) {
      fill_windows(args, windows, sources);
      pull_rows(args, sources);
    }
  }
  if (!is_last_arrival(&local_state(args.geometry)->departures) || warp_idx() != 0) {
    return;
  }
  if (exchanges) {
    leave_combine(args, epoch);
  } else {
    end_grid(args.geometry, {0, 0, 0}, epoch, false);
  }
}

}  // namespace crossdock
