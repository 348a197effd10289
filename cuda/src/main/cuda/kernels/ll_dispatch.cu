// Low-latency dispatch in two halves, a kernel each.
//
//   ll_send   all blocks   token by token: slots, FP8 cast in registers, rows into the lanes of the experts
//             last block   flags
//   ll_pack   all blocks   await the flags; rows from the lanes to where they are packed, scales transposed
//             last block   completed
#include "../include/fp8.cuh"
#include "../include/lowlatency.cuh"

namespace crossdock {

constexpr u32 kMaxTopk = 32;
constexpr u32 kWordChannels = 8;  // BF16 of a 16-byte word
constexpr u32 kGroupLanes = kGroupChannels / kWordChannels;
constexpr u32 kPackParts = 4;  // warps that share a run of rows

// One token's selections, in shared memory.
struct Selections {
  i32 experts[kMaxTopk];
  u32 slots[kMaxTopk];
  u64 rows[kMaxTopk];  // where the row goes; 0 for nowhere
  u64 scales[kMaxTopk];
};

__device__ __forceinline__ i64 ll_expert_at(const LlCall& call, u64 token, u64 k) {
  const u64 row = call.topk_idx + token * call.topk_idx_pitch;
  return call.index_bytes == sizeof(i64) ? pointer<const i64>(row)[k] : pointer<const i32>(row)[k];
}

// By the first warp: reads and checks the choices of a token.
__device__ inline void ll_read_choices(const LlCall& call, u64 token, Selections* chosen) {
  const u64 k = lane_idx();
  i64 expert = k < call.topk ? ll_expert_at(call, token, k) : -1;
  const bool outside = expert < -1 || expert >= static_cast<i64>(call.terms.num_experts);
  const u32 equal = __match_any_sync(kAllLanes, static_cast<i32>(outside ? -1 : expert));
  const bool repeated = expert >= 0 && !outside && (equal & ((1u << k) - 1)) != 0;
  if (outside || repeated) {
    const u64 key = (token * call.topk + k) * 2 + (repeated ? 1 : 0);
    atomicMin(atomic_word(&local_state(call.geometry)->refusal_key), key);
    expert = -1;
  }
  chosen->experts[k] = static_cast<i32>(expert);
  chosen->slots[k] = 0;
}

// By a whole block: counts for each choice of a token how many selections go before it in its lane: those
// of lower experts of the same rank, and those of the same expert from tokens before.
__device__ inline void ll_count_slots(const LlCall& call, u64 token, Selections* chosen) {
  const u32 topk = static_cast<u32>(call.topk);
  const u32 num_choices = static_cast<u32>(call.num_tokens) * topk;
  const i32 num_local = static_cast<i32>(ll_num_local(call));
  for (u32 first = 0; first < num_choices; first += kLlThreads) {
    const u32 i = first + threadIdx.x;
    const u32 other = i / topk;
    const i64 id = i < num_choices ? ll_expert_at(call, other, i - other * topk) : -1;
    for (u32 k = 0; k < topk; k++) {
      const i32 expert = chosen->experts[k];
      const i32 low = expert / num_local * num_local;
      const bool before = expert >= 0 && id >= low && (id < expert || (id == expert && other < token));
      const u32 count = __popc(__ballot_sync(kAllLanes, before));
      if (lane_idx() == 0 && count != 0) {
        atomicAdd(&chosen->slots[k], count);
      }
    }
  }
}

// By the first warp: where each selection goes; remembers it for the combine and counts it.
__device__ inline void ll_place_choices(const LlCall& call, u64 token, u64 epoch, Selections* chosen) {
  const u32 k = lane_idx();
  if (k >= call.topk) {
    return;
  }
  const i32 expert = chosen->experts[k];
  const u64 at = token * call.topk + k;
  pointer<i32>(call.handle.choices)[at] = expert;
  pointer<i32>(call.handle.slots)[at] = static_cast<i32>(chosen->slots[k]);
  chosen->rows[k] = 0;
  if (expert < 0) {
    return;
  }
  atomicAdd(pointer<i32>(call.ll.expert_counts) + expert, 1);
  const u64 owner = expert / ll_num_local(call);
  const u64 slot = chosen->slots[k];
  if (is_masked(call, owner) || slot >= call.ll.num_slots) {
    return;
  }
  const u64 lane = ll_dispatch_lane(call, owner, call.geometry.rank, epoch);
  const u64 num_groups = call.ll.hidden / kGroupChannels;
  chosen->rows[k] = lane + slot * ll_row_bytes(call);
  chosen->scales[k] = lane + call.ll.lane_scales + slot * num_groups * sizeof(float);
  pointer<i32>(lane + call.ll.lane_sources)[slot] = static_cast<i32>(token);
}

__device__ __forceinline__ uint4 ll_load_word(u64 address, bool aligned) {
  if (aligned) {
    return ld_no_allocate(pointer<const uint4>(address));
  }
  uint4 word;
  unsigned short* halves = reinterpret_cast<unsigned short*>(&word);
#pragma unroll
  for (u32 i = 0; i < kWordChannels; i++) {
    halves[i] = pointer<const unsigned short>(address)[i];
  }
  return word;
}

// By half a warp: casts one group of a row and stores it to all destinations.
__device__ inline void ll_send_group(const LlCall& call, const Selections& chosen, u64 row, u64 group,
                                     bool aligned) {
  const u32 lane = lane_idx() % kGroupLanes;
  const u32 half = lane_idx() < kGroupLanes ? 0x0000ffffu : 0xffff0000u;
  const u64 channel = group * kGroupChannels + lane * kWordChannels;
  const uint4 word = ll_load_word(row + channel * sizeof(__nv_bfloat16), aligned);
  const __nv_bfloat16* from = reinterpret_cast<const __nv_bfloat16*>(&word);
  float values[kWordChannels];
  float amax = kSmallestAmax;
#pragma unroll
  for (u32 i = 0; i < kWordChannels; i++) {
    values[i] = __bfloat162float(from[i]);
    amax = fmaxf(amax, fabsf(values[i]));
  }
#pragma unroll
  for (u32 step = kGroupLanes / 2; step > 0; step /= 2) {
    amax = fmaxf(amax, __shfl_xor_sync(half, amax, step));
  }
  const bool exact = call.terms.format == kLlFp8;
  const float scale =
      exact ? __fdiv_rn(amax, kLargestCode) : power_of_two_above(__fdiv_rn(amax, kLargestCode));
  const float factor = __fdiv_rn(kLargestCode, amax);
  uint2 codes;
  unsigned char* bytes = reinterpret_cast<unsigned char*>(&codes);
#pragma unroll
  for (u32 i = 0; i < kWordChannels; i++) {
    bytes[i] = to_code(exact ? values[i] * factor : __fdiv_rn(values[i], scale), values[i]);
  }
  for (u32 k = 0; k < call.topk; k++) {
    if (chosen.rows[k] != 0) {
      *pointer<uint2>(chosen.rows[k] + channel) = codes;
    }
  }
  for (u32 k = lane; k < call.topk; k += kGroupLanes) {
    if (chosen.rows[k] != 0) {
      pointer<float>(chosen.scales[k])[group] = scale;
    }
  }
}

// By a whole block: one row to all its destinations.
__device__ inline void ll_send_row(const LlSendArgs& args, const Selections& chosen, u64 token,
                                   bool aligned) {
  const u64 row = args.x + token * args.x_pitch;
  if (is_fp8(args.call.terms)) {
    const u64 num_groups = args.call.ll.hidden / kGroupChannels;
    for (u64 group = threadIdx.x / kGroupLanes; group < num_groups; group += kLlThreads / kGroupLanes) {
      ll_send_group(args.call, chosen, row, group, aligned);
    }
    return;
  }
  for (u64 i = threadIdx.x; i < args.call.ll.hidden / kWordChannels; i += kLlThreads) {
    const uint4 word = ll_load_word(row + i * sizeof(uint4), aligned);
    for (u32 k = 0; k < args.call.topk; k++) {
      if (chosen.rows[k] != 0) {
        pointer<uint4>(chosen.rows[k])[i] = word;
      }
    }
  }
}

// By a whole block: finds where the selections of a token go.
__device__ inline void ll_plan_token(const LlCall& call, u64 token, Selections* chosen) {
  __syncthreads();
  if (warp_idx() == 0) {
    ll_read_choices(call, token, chosen);
  }
  __syncthreads();
  ll_count_slots(call, token, chosen);
  __syncthreads();
}

// By the last block: flags, or a refusal if a choice was wrong.
__device__ inline void ll_finish_send(const LlCall& call, u64 epoch) {
  LocalState* local = local_state(call.geometry);
  const u64 key = ld_relaxed_gpu(&local->refusal_key);
  const bool begun = !has_failed(call.geometry);
  if (begun && key == kNoRefusal) {
    ll_publish_flags(call, epoch);
  } else if (begun && warp_idx() == 0) {
    const u64 choice = key / 2;
    const u64 token = choice / call.topk;
    const u64 k = choice - token * call.topk;
    const u64 expert = static_cast<u64>(ll_expert_at(call, token, k));
    const LlRefusal outside = {epoch, kExpertOutOfRange, token, k, expert};
    const LlRefusal repeated = {epoch, kExpertRepeated, token, expert, expert};
    ll_publish_refusal(call, epoch, key % 2 == 0 ? outside : repeated, nullptr);
    record_failure(call.geometry, {kRefusedCall, call.geometry.rank, kGrantPhase, epoch, 0, 0, 0, 0, 0});
  }
  for (u64 i = threadIdx.x; i < call.terms.num_experts; i += kLlThreads) {
    pointer<i32>(call.ll.expert_counts)[i] = 0;
  }
  __syncthreads();
  if (warp_idx() == 0) {
    ll_end(call, epoch, kLlSent);
  }
}

extern "C" __global__ void __launch_bounds__(kLlThreads, 1) ll_send(const __grid_constant__ LlSendArgs args) {
  __shared__ Selections chosen;
  __shared__ u32 ready;
  const LlCall& call = args.call;
  const u64 epoch = current_epoch(call.geometry);
  const bool aligned = is_aligned(args.x | args.x_pitch, sizeof(uint4));
  if (warp_idx() == 0) {
    store_by_warp(&ready, ll_can_begin(call, epoch));
  }
  __syncthreads();
  for (u64 token = blockIdx.x; ready != 0 && token < call.num_tokens; token += gridDim.x) {
    ll_plan_token(call, token, &chosen);
    if (warp_idx() == 0) {
      ll_place_choices(call, token, epoch, &chosen);
    }
    __syncthreads();
    ll_send_row(args, chosen, token, aligned);
  }
  if (is_last_arrival(&local_state(call.geometry)->arrivals)) {
    ll_finish_send(call, epoch);
  }
}

// The rows that a source sent to a local expert: where they begin in its lane and in the result.
struct Run {
  u64 slot;
  u64 row;
  u64 num_rows;
};

// By one warp: sums counts of sources before (rows) or of experts before (slots).
__device__ inline Run ll_run_of(const LlCall& call, u64 epoch, u64 source, u64 expert, const u32* counted) {
  u32 rows = 0;
  for (u64 before = lane_idx(); before < source; before += kWarpThreads) {
    if (counted[before] != 0) {
      rows += ll_flag_counts(ll_flag(call, call.geometry.rank, before, epoch))[expert];
    }
  }
  const i32* counts = ll_flag_counts(ll_flag(call, call.geometry.rank, source, epoch));
  u32 slots = 0;
  for (u64 before = lane_idx(); before < expert; before += kWarpThreads) {
    slots += counts[before];
  }
  return {__reduce_add_sync(kAllLanes, slots), __reduce_add_sync(kAllLanes, rows),
          counted[source] != 0 ? static_cast<u64>(counts[expert]) : 0};
}

// By one warp: what belongs to a run besides its rows.
__device__ inline void ll_write_run(const LlPackArgs& args, const Run& run, u64 source, u64 expert) {
  const LlCall& call = args.call;
  if (lane_idx() != 0) {
    return;
  }
  const u64 num_ranks = call.geometry.num_ranks;
  i32* range = pointer<i32>(args.layout_range) + (expert * num_ranks + source) * 2;
  range[0] = static_cast<i32>(run.row);
  range[1] = static_cast<i32>(run.num_rows);
  pointer<i32>(call.handle.counts)[source * ll_num_local(call) + expert] = static_cast<i32>(run.num_rows);
  if (source == num_ranks - 1) {
    const i32 total = static_cast<i32>(run.row + run.num_rows);
    pointer<i32>(args.recv_count)[expert] = total;
    if (args.recv_stats != 0) {
      pointer<i32>(args.recv_stats)[expert] += total;
    }
  }
}

__device__ __forceinline__ u32 exponent_of(float scale) {
  return __float_as_uint(scale) >> kFractionBits;
}

// By one warp: one column of packed or plain scales of a run, a row a lane.
__device__ inline void ll_transpose_column(const LlPackArgs& args, const Run& run, u64 from, u64 expert,
                                           u64 column) {
  const LlCall& call = args.call;
  const u64 num_groups = call.ll.hidden / kGroupChannels;
  const bool packed = call.terms.format == kLlFp8Ue8m0;
  const u64 num_columns = packed ? (num_groups + 3) / 4 : num_groups;
  const u64 result_rows = call.terms.num_max_tokens * call.geometry.num_ranks;
  u32* to = pointer<u32>(args.scales) + (expert * num_columns + column) * result_rows + run.row;
  for (u64 i = lane_idx(); i < run.num_rows; i += kWarpThreads) {
    const float* scales = pointer<const float>(from) + (run.slot + i) * num_groups;
    u32 word = packed ? 0 : __float_as_uint(scales[column]);
    for (u64 part = 0; packed && part < 4 && column * 4 + part < num_groups; part++) {
      word |= exponent_of(scales[column * 4 + part]) << (8 * part);
    }
    to[i] = word;
  }
}

// By one warp: its part of a run of rows.
__device__ inline void ll_pack_part(const LlPackArgs& args, const Run& run, u64 epoch, u64 source, u64 expert,
                                    u64 part) {
  const LlCall& call = args.call;
  const u64 lane = ll_dispatch_lane(call, call.geometry.rank, source, epoch);
  const u64 row_bytes = ll_row_bytes(call);
  const u64 first_row = expert * call.terms.num_max_tokens * call.geometry.num_ranks + run.row;
  const u64 words = row_bytes / sizeof(uint4);
  const u64 begin = part * words / kPackParts;
  const u64 end = (part + 1) * words / kPackParts;
  for (u64 i = 0; i < run.num_rows; i++) {
    const u64 from = lane + (run.slot + i) * row_bytes;
    const u64 to = args.rows + (first_row + i) * row_bytes;
    copy_words<uint4>(to + begin * sizeof(uint4), from + begin * sizeof(uint4), end - begin, lane_idx(),
                      kWarpThreads);
  }
  if (is_fp8(call.terms)) {
    const u64 groups = call.ll.hidden / kGroupChannels;
    const u64 columns = call.terms.format == kLlFp8Ue8m0 ? (groups + 3) / 4 : groups;
    for (u64 column = part; column < columns; column += kPackParts) {
      ll_transpose_column(args, run, lane + call.ll.lane_scales, expert, column);
    }
  }
  if (part == 0) {
    const i32* sources = pointer<const i32>(lane + call.ll.lane_sources) + run.slot;
    for (u64 i = lane_idx(); i < run.num_rows; i += kWarpThreads) {
      pointer<i32>(args.src_info)[first_row + i] = sources[i];
    }
  }
}

extern "C" __global__ void __launch_bounds__(kLlThreads, 1) ll_pack(const __grid_constant__ LlPackArgs args) {
  __shared__ u32 counted[kMaxLowLatencyRanks];
  const LlCall& call = args.call;
  const u64 epoch = ld_relaxed_gpu(pointer<const u64>(call.call_epoch));
  if (epoch == 0) {
    ll_skip(call);
    return;
  }
  const u64 num_runs = ll_num_local(call) * call.geometry.num_ranks;
  if (ll_await_flags(call, epoch, args.waits, counted)) {
    const u64 stride = static_cast<u64>(gridDim.x) * kLlWarps;
    for (u64 i = static_cast<u64>(blockIdx.x) * kLlWarps + warp_idx(); i < num_runs * kPackParts;
         i += stride) {
      const u64 run_idx = i / kPackParts;
      const u64 expert = run_idx / call.geometry.num_ranks;
      const u64 source = run_idx - expert * call.geometry.num_ranks;
      const Run run = ll_run_of(call, epoch, source, expert, counted);
      if (i % kPackParts == 0) {
        ll_write_run(args, run, source, expert);
      }
      ll_pack_part(args, run, epoch, source, expert, i % kPackParts);
    }
  }
  if (is_last_arrival(&local_state(call.geometry)->arrivals) && warp_idx() == 0) {
    ll_end(call, epoch, kLlComplete);
  }
}

}  // namespace crossdock
