// Low-latency dispatch: in two halves, a kernel each, or as a whole.
//
//   ll_send       all blocks   plan; cast; rows into the lanes of the experts' ranks
//                 first block  flags, once the others left
//   ll_pack       all blocks   await the flags; rows from the lanes to where they are packed
//                 first block  completed, once the others left
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
  const LlReady ready = ll_make_ready(call, args.rows, kMaxSlices);
  grid_dependency_wait();
  const u64 epoch = current_epoch(call.geometry);
  const LlStart start = ll_start(call, epoch);
  bool well = ll_send_rows(call, args.rows, ready, start, epoch, nullptr) != kLlFailed;
  if (blockIdx.x == 0) {
    ll_note_path(call, kLlThroughLanes);
    if (well) {
      ll_write_flags(call, {ll_terms(call), kInLanes, true}, epoch);
    }
  }
  ll_settle_rows();
  well = ll_leave(call, well, false, epoch);
  if (blockIdx.x == 0) {
    ll_end_sending(call, start.beginning, well, epoch, [&] { ll_publish_refused(call, epoch); });
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

// The scales of a part of a run, rows in the lane to columns in the result.
struct LlScalePart {
  const float* from;  // of the first row
  u32* to;            // of the first column
  u32 num_groups;     // of a row in the lane
  u32 first;          // column
  u32 width;
  u32 num_words;  // in all rows
  u64 column_pitch;
  bool in_words;  // four scales are one word
};

__device__ inline LlScalePart ll_scale_part(const LlCall& call, const LlPacked& packed, const LlRun& run,
                                            u64 lane, u32 part) {
  const u32 num_groups = static_cast<u32>(call.ll.hidden / kGroupChannels);
  const u32 num_columns = static_cast<u32>(ll_scale_columns(call));
  const u32 first = part * num_columns / kRunParts;
  const u32 width = (part + 1) * num_columns / kRunParts - first;
  const u64 column_pitch = ll_result_rows(call);
  return {pointer<const float>(lane + call.ll.lane_scales) + run.slot * num_groups,
          pointer<u32>(packed.scales) + run.expert * num_columns * column_pitch + run.row,
          num_groups,
          first,
          width,
          static_cast<u32>(run.num_rows) * width,
          column_pitch,
          call.terms.format == kLlFp8Ue8m0};
}

__device__ __forceinline__ u32 ll_load_scale(const LlScalePart& part, u32 i) {
  const u32 row = i / part.width;
  const u32 column = part.first + i - row * part.width;
  const float* scales = part.from + row * part.num_groups;
  return part.in_words ? ll_pack_exponents(scales + column * 4, part.num_groups - column * 4)
                       : __float_as_uint(__ldcg(scales + column));
}

__device__ __forceinline__ void ll_store_scale(const LlScalePart& part, u32 i, u32 word) {
  const u32 row = i / part.width;
  const u32 column = part.first + i - row * part.width;
  part.to[column * part.column_pitch + row] = word;
}

// By one warp: what a run says of itself.
__device__ inline void ll_describe_run(const LlCall& call, const LlPacked& packed, const LlRun& run,
                                       u64 lane) {
  const i32* sources = pointer<const i32>(lane + call.ll.lane_sources) + run.slot;
  const u64 first_row = run.expert * ll_result_rows(call) + run.row;
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

constexpr u32 kScalesAhead = 2;  // of a lane, which come beside the rows

// By one warp: loads the first scales of a part.
__device__ __forceinline__ void ll_load_scales(const LlScalePart& part, u32 words[kScalesAhead]) {
#pragma unroll
  for (u32 step = 0; step < kScalesAhead; step++) {
    const u32 i = lane_idx() + step * kWarpThreads;
    words[step] = i < part.num_words ? ll_load_scale(part, i) : 0;
  }
}

// By one warp: stores the scales of a part, the first of which were loaded.
__device__ __forceinline__ void ll_store_scales(const LlScalePart& part, const u32 words[kScalesAhead]) {
#pragma unroll
  for (u32 step = 0; step < kScalesAhead; step++) {
    const u32 i = lane_idx() + step * kWarpThreads;
    if (i < part.num_words) {
      ll_store_scale(part, i, words[step]);
    }
  }
  for (u32 i = lane_idx() + kScalesAhead * kWarpThreads; i < part.num_words; i += kWarpThreads) {
    ll_store_scale(part, i, ll_load_scale(part, i));
  }
}

// By one warp: the parts that `next()` deals out, from the lanes to where they are packed. The scales of a
// part come beside its rows, and are stored when the next part is begun.
template <LlCopying kCopying, typename Next>
__device__ __forceinline__ void ll_pack_parts(const LlCall& call, const LlPacked& packed, u64 epoch,
                                              Next next) {
  const u64 row_bytes = ll_row_bytes(call);
  u32 words[kScalesAhead] = {};
  LlRunPart behind = {nullptr, 0};
  const auto lane_of = [&](const LlRun& run) {
    return ll_dispatch_lane(call, call.geometry.rank, run.source, epoch);
  };
  const auto scales_of = [&](const LlRunPart& part) {
    return ll_scale_part(call, packed, *part.run, lane_of(*part.run), part.part);
  };
  const auto next_span = [&]() -> LlSpan {
    for (;;) {
      if (behind.run != nullptr && is_fp8(call.terms)) {
        ll_store_scales(scales_of(behind), words);
      }
      behind = next();
      if (behind.run == nullptr) {
        return {0, 0, 0};
      }
      const LlRun& run = *behind.run;
      const u64 lane = lane_of(run);
      if (behind.part == 0) {
        ll_describe_run(call, packed, run, lane);
      }
      if (run.num_rows == 0) {
        behind.run = nullptr;
        continue;
      }
      if (is_fp8(call.terms)) {
        ll_load_scales(scales_of(behind), words);
      }
      const u64 to = packed.rows + (run.expert * ll_result_rows(call) + run.row) * row_bytes;
      const LlSpan span = ll_span_of(to, lane + run.slot * row_bytes, run.num_rows * row_bytes, behind.part);
      if (span.num_words != 0) {
        return span;
      }
    }
  };
  if (kCopying == LlCopying::kStreamed) {
    ll_stream_spans(next_span);
  } else {
    ll_copy_spans(next_span);
  }
}

// By a whole block: awaits the flags, then packs the block's part of what arrived. False if the call fails.
template <LlCopying kCopying>
__device__ inline bool ll_pack_rows(const LlCall& call, const LlPacked& packed, u64 epoch) {
  __shared__ u32 places[kMaxLowLatencyRanks];
  if (!ll_await_flags(call, epoch, places)) {
    return false;
  }
  const auto count = [&](u64 source, u64 expert) -> u32 {
    const i32* counts = ll_flag_counts(ll_flag(call, call.geometry.rank, source, epoch));
    return places[source] != 0 ? static_cast<u32>(__ldcg(counts + expert)) : 0;
  };
  return ll_move_runs(
      call, LlDealing::kInTurn, [&](u64 source, u64 expert) { return ll_run_from(source, expert, count); },
      [] { return true; },
      [&](auto next) { ll_pack_parts<kCopying>(call, packed, epoch, next); });
}

// By the first block of a receive half: frees the slots once all blocks are done, and no rank reads what was
// in the area of the result before.
__device__ inline void ll_end_packing(const LlCall& call, const LlBeginning& beginning, bool well,
                                      u64 epoch) {
  well = ll_await_others(call, well);
  if (warp_idx() != 0) {
    return;
  }
  if (well && beginning.read != 0) {
    ll_end_well(call, epoch, kLlComplete, beginning.after);
  } else {
    ll_await_readers(call, epoch);
    ll_end(call, epoch, kLlComplete);
  }
}

extern "C" __global__ void __launch_bounds__(kLlThreads, 1) ll_pack(const __grid_constant__ LlPackArgs args) {
  grid_dependency_wait();
  const LlCall& call = args.call;
  const u64 epoch = ld_relaxed_gpu(pointer<const u64>(call.call_epoch));
  if (epoch == 0) {
    ll_skip(call);
    return;
  }
  const LlBeginning& beginning = ll_resume(call, epoch);
  bool well = ll_pack_rows<LlCopying::kStreamed>(call, args.packed, epoch);
  well = ll_leave(call, well, false, epoch);
  if (blockIdx.x == 0) {
    ll_end_packing(call, beginning, well, epoch);
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
  return ll_pack_rows<LlCopying::kOneByOne>(call, packed, epoch);
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
    ll_end_well(call, epoch, kLlWhole, beginning.after);
  } else {
    ll_end(call, epoch, kLlWhole);
  }
}

extern "C" __global__ void __launch_bounds__(kLlThreads, 1)
    ll_dispatch(const __grid_constant__ LlDispatchArgs args) {
  __shared__ u64 areas[kMaxLowLatencyRanks];
  const LlCall& call = args.call;
  const LlReady ready = ll_make_ready(call, args.rows, 1);
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
