// Low-latency dispatch: in two halves, a kernel each, or as a whole.
//
//   ll_send       all blocks   plan; cast; rows into the lanes of the experts' ranks
//                 last block   flags
//   ll_pack       all blocks   await the flags; rows from the lanes to where they are packed
//                 last block   completed
//   ll_dispatch   the same in one kernel. Where no rank has a hook, rows go straight to where they are
//                 packed: plan, announce counts, cast, await the counts of all, send. Each block tells the
//                 peers that its rows are there; the first block alone awaits those of all others.
#include "../include/ll_rows.cuh"
#include "../include/ll_runs.cuh"

namespace crossdock {

// By one block, the others of which are done with the plan: refuses the call if a choice was wrong.
__device__ __noinline__ void ll_publish_refused(const LlCall& call, u64 epoch) {
  const u64 key = ld_relaxed_gpu(&local_state(call.geometry)->refusal_key);
  if (key == kNoRefusal || has_failed(call.geometry) || warp_idx() != 0) {
    return;
  }
  const u64 choice = key / 2;
  const u64 token = choice / call.topk;
  const u64 k = choice - token * call.topk;
  const u64 expert = static_cast<u64>(ll_expert_at(call, token, k));
  const LlRefusal outside = {epoch, kExpertOutOfRange, token, k, expert};
  const LlRefusal repeated = {epoch, kExpertRepeated, token, expert, expert};
  ll_publish_refusal(call, epoch, key % 2 == 0 ? outside : repeated, nullptr);
  record_failure(call.geometry, {kRefusedCall, call.geometry.rank, kGrantPhase, epoch, 0, 0, 0, 0, 0});
}

// By the last block: flags, or a refusal if a choice was wrong.
__device__ inline void ll_publish_sent(const LlCall& call, u64 epoch) {
  const bool right = ld_relaxed_gpu(&local_state(call.geometry)->refusal_key) == kNoRefusal;
  if (right && !has_failed(call.geometry)) {
    ll_publish_flags(call, {ll_terms(call), kInLanes, true}, epoch);
  } else {
    ll_publish_refused(call, epoch);
  }
  __syncthreads();
}

// By one block: leaves to the combine how rows travelled.
__device__ __forceinline__ void ll_note_path(const LlCall& call, LlPath path) {
  if (threadIdx.x == 0) {
    *pointer<u64>(call.handle.direct) = path == kLlDirect ? 1 : 0;
  }
}

extern "C" __global__ void __launch_bounds__(kLlThreads, 1) ll_send(const __grid_constant__ LlSendArgs args) {
  const LlCall& call = args.call;
  const LlReady ready = ll_make_ready(call, args.rows);
  grid_dependency_wait();
  const u64 epoch = current_epoch(call.geometry);
  ll_send_rows(call, args.rows, ready, ll_start(call, epoch), epoch, nullptr);
  ll_settle_rows();
  if (is_last_arrival(&local_state(call.geometry)->arrivals)) {
    ll_publish_sent(call, epoch);
    ll_note_path(call, kLlThroughLanes);
    if (warp_idx() == 0) {
      ll_end(call, epoch, kLlSent);
    }
  }
}

// By one lane: what a local expert received in all.
__device__ __forceinline__ void ll_write_total(const LlPacked& packed, u64 expert, i32 total) {
  pointer<i32>(packed.recv_count)[expert] = total;
  if (packed.recv_stats != 0) {
    pointer<i32>(packed.recv_stats)[expert] += total;
  }
}

// By one lane: what a local expert received from a source.
__device__ __forceinline__ void ll_write_range(const LlCall& call, const LlPacked& packed, u64 source,
                                               u64 expert, i32 row, i32 num_rows) {
  i32* range = pointer<i32>(packed.layout_range) + (expert * call.geometry.num_ranks + source) * 2;
  range[0] = row;
  range[1] = num_rows;
  pointer<i32>(call.handle.counts)[source * ll_num_local(call) + expert] = num_rows;
}

// By one warp: the scales of a part of a run, rows in the lane to columns in the result.
__device__ inline void ll_transpose_part(const LlCall& call, const LlPacked& packed, const LlRun& run,
                                         u64 from, u32 part) {
  const u32 num_groups = static_cast<u32>(call.ll.hidden / kGroupChannels);
  const bool in_words = call.terms.format == kLlFp8Ue8m0;
  const u32 num_columns = static_cast<u32>(ll_scale_columns(call));
  const u32 begin = part * num_columns / kRunParts;
  const u32 width = (part + 1) * num_columns / kRunParts - begin;
  u32* to = pointer<u32>(packed.scales) + run.expert * num_columns * ll_result_rows(call) + run.row;
#pragma unroll 4
  for (u32 i = lane_idx(); i < run.num_rows * width; i += kWarpThreads) {
    const u32 row = i / width;
    const u32 column = begin + i - row * width;
    const float* scales = pointer<const float>(from) + (run.slot + row) * num_groups;
    const u32 word = in_words ? ll_pack_exponents(scales + column * 4, num_groups - column * 4)
                              : __float_as_uint(__ldcg(scales + column));
    to[column * ll_result_rows(call) + row] = word;
  }
}

// By one warp: a part of a run from the lane to where it is packed.
__device__ inline void ll_pack_part(const LlCall& call, const LlPacked& packed, const LlRun& run, u64 epoch,
                                    u32 part) {
  const u64 lane = ll_dispatch_lane(call, call.geometry.rank, run.source, epoch);
  const u64 row_bytes = ll_row_bytes(call);
  const u64 first_row = run.expert * ll_result_rows(call) + run.row;
  ll_copy_part(packed.rows + first_row * row_bytes, lane + run.slot * row_bytes, run.num_rows * row_bytes,
               part);
  if (is_fp8(call.terms)) {
    ll_transpose_part(call, packed, run, lane + call.ll.lane_scales, part);
  }
  if (part != 0) {
    return;
  }
  const i32* sources = pointer<const i32>(lane + call.ll.lane_sources) + run.slot;
  for (u64 i = lane_idx(); i < run.num_rows; i += kWarpThreads) {
    pointer<i32>(packed.src_info)[first_row + i] = __ldcg(sources + i);
  }
  if (lane_idx() == 0) {
    const i32 row = static_cast<i32>(run.row);
    const i32 num_rows = static_cast<i32>(run.num_rows);
    ll_write_range(call, packed, run.source, run.expert, row, num_rows);
    if (run.source == call.geometry.num_ranks - 1) {
      ll_write_total(packed, run.expert, row + num_rows);
    }
  }
}

// By a whole block: awaits the flags, then packs the block's part of what arrived. False if the call fails.
__device__ inline bool ll_pack_rows(const LlCall& call, const LlPacked& packed, u64 epoch) {
  __shared__ u32 places[kMaxLowLatencyRanks];
  if (!ll_await_flags(call, epoch, places)) {
    return false;
  }
  const auto count = [&](u64 source, u64 expert) -> u32 {
    const i32* counts = ll_flag_counts(ll_flag(call, call.geometry.rank, source, epoch));
    return places[source] != 0 ? static_cast<u32>(__ldcg(counts + expert)) : 0;
  };
  ll_move_runs(
      call, LlDealing::kInTurn, [&](u64 source, u64 expert) { return ll_run_from(source, expert, count); },
      [&](const LlRun& run, u32 part) { ll_pack_part(call, packed, run, epoch, part); });
  return true;
}

extern "C" __global__ void __launch_bounds__(kLlThreads, 1) ll_pack(const __grid_constant__ LlPackArgs args) {
  grid_dependency_wait();
  const LlCall& call = args.call;
  const u64 epoch = ld_relaxed_gpu(pointer<const u64>(call.call_epoch));
  if (epoch == 0) {
    ll_skip(call);
    return;
  }
  ll_pack_rows(call, args.packed, epoch);
  if (is_last_arrival(&local_state(call.geometry)->arrivals) && warp_idx() == 0) {
    ll_await_readers(call, epoch);
    ll_end(call, epoch, kLlComplete);
  }
}

// By a whole block: tells what this block's part of the local experts received, from announced counts. False
// for a warp if the call fails.
__device__ inline bool ll_write_announced(const LlCall& call, const LlPacked& packed, u64 epoch) {
  const u64 num_local = ll_num_local(call);
  const u64 own = call.geometry.rank * num_local;
  for (u64 expert = blockIdx.x + static_cast<u64>(gridDim.x) * warp_idx(); expert < num_local;
       expert += static_cast<u64>(gridDim.x) * kLlWarps) {
    u32 total = 0;
    for (u64 first = 0; first < call.geometry.num_ranks; first += kWarpThreads) {
      const u64 source = first + lane_idx();
      const bool valid = source < call.geometry.num_ranks;
      const u64* word =
          valid ? ll_announced_counts(call, call.geometry.rank, source, epoch) + own + expert : nullptr;
      u64 seen;
      if (!ll_await_words(call, word, ll_tag(epoch), source, &seen)) {
        return false;
      }
      const u32 count = static_cast<u32>(ll_payload(seen));
      u32 through = count;
#pragma unroll
      for (u32 step = 1; step < kWarpThreads; step *= 2) {
        const u32 below = __shfl_up_sync(kAllLanes, through, step);
        through += lane_idx() >= step ? below : 0;
      }
      if (valid) {
        ll_write_range(call, packed, source, expert, static_cast<i32>(total + through - count),
                       static_cast<i32>(count));
      }
      total += __shfl_sync(kAllLanes, through, kWarpThreads - 1);
    }
    if (lane_idx() == 0) {
      ll_write_total(packed, expert, static_cast<i32>(total));
    }
  }
  return true;
}

// By a whole block that sent its rows: what follows on either way. False for a warp if the call fails.
__device__ inline bool ll_receive_rows(const LlCall& call, const LlPacked& packed, LlPath path, u64 epoch) {
  if (path != kLlThroughLanes) {
    return path == kLlDirect;
  }
  if (is_last_arrival(&local_state(call.geometry)->arrivals)) {
    ll_publish_sent(call, epoch);
  }
  return ll_pack_rows(call, packed, epoch);
}

// By the first block, once its own part is done.
__device__ inline void ll_end_dispatch(const LlCall& call, const LlBeginning& beginning, LlPath path,
                                       bool well, u64 epoch) {
  if (well && path == kLlDirect) {
    well = ll_await_rows(call, epoch);
  }
  well = ll_await_others(call, well);
  // From here on the kernel waits for no peer, but for those that are far behind.
  if (beginning.read != 0) {
    grid_launch_dependents();
  }
  if (!well) {
    ll_publish_refused(call, epoch);
  }
  ll_note_path(call, path);
  if (warp_idx() != 0) {
    return;
  }
  if (beginning.read == 0) {
    ll_await_readers(call, epoch);
    grid_launch_dependents();
  }
  if (well && beginning.read != 0) {
    ll_end_well(call, epoch, beginning.other);
  } else {
    ll_end(call, epoch, kLlWhole);
  }
}

extern "C" __global__ void __launch_bounds__(kLlThreads, 1)
    ll_dispatch(const __grid_constant__ LlDispatchArgs args) {
  __shared__ u64 areas[kMaxLowLatencyRanks];
  const LlCall& call = args.call;
  const LlReady ready = ll_make_ready(call, args.rows);
  grid_dependency_wait();
  const u64 epoch = current_epoch(call.geometry);
  const LlStart start = ll_start(call, epoch);
  const LlPath path = ll_send_rows(call, args.rows, ready, start, epoch, areas);
  bool well = path != kLlDirect || ll_write_announced(call, args.packed, epoch);
  ll_settle_rows();
  well = ll_receive_rows(call, args.packed, path, epoch) && well;
  well = ll_leave(call, well, path == kLlDirect, epoch);
  if (blockIdx.x == 0) {
    ll_end_dispatch(call, start.beginning, path, well, epoch);
  }
}

}  // namespace crossdock
