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
  well = ll_leave(call, well, LlLeft::kRows, epoch);
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
  pointer<i32>(call.handle.counts)[source * call.num_local + expert] = num_rows;
}

// By a whole block: what some runs say of themselves, of which each block describes a part.
__device__ inline void ll_describe_runs(const LlCall& call, const LlPacked& packed, const LlRuns& runs) {
  const LlParts parts = ll_parts_of(runs.num_runs);
  for (u32 i = parts.begin + threadIdx.x; i < parts.end; i += kLlThreads) {
    const u32 within = i / runs.num_ranks;
    const u32 source = i - within * runs.num_ranks;
    const u32 expert = runs.first_expert + within;
    const u32 first = runs.begins[i - source];  // row of the expert
    const i32 row = static_cast<i32>(runs.begins[i] - first);
    const i32 end = static_cast<i32>(runs.begins[i + 1] - first);
    ll_write_range(call, packed, source, expert, row, end - row);
    if (source == runs.num_ranks - 1) {
      ll_write_total(packed, expert, end);
    }
  }
}

// The tokens of the rows that begin in a part of a run, in the lane and in the result.
struct LlTokensOfPart {
  const i32* from;
  i32* to;
  u32 num_rows;
};

__device__ __forceinline__ LlTokensOfPart ll_tokens_of_part(const LlCall& call, const LlPacked& packed,
                                                            const LlRunPart& part, u64 lane) {
  const u32 row_words = static_cast<u32>(ll_row_bytes(call) / sizeof(uint4));
  const u32 first = (part.first + row_words - 1) / row_words;
  const u32 end = (part.first + part.num_words + row_words - 1) / row_words;
  return {pointer<const i32>(lane + call.ll.lane_sources) + part.run.slot + first,
          pointer<i32>(packed.src_info) + part.run.expert * ll_result_rows(call) + part.run.row + first,
          end - first};
}

// The scales that go with the words of a part of a run, rows in the lane to columns in the result.
struct LlScalesOfPart {
  const float* from;  // of the first row of the run
  u32* to;            // of its first column
  u32 num_groups;     // of a row in the lane
  u32 num_columns;
  u32 first;  // of the run's, by row and then by column
  u32 num_scales;
  u64 column_pitch;
  bool in_words;  // four scales are one word
};

__device__ inline LlScalesOfPart ll_scales_of_part(const LlCall& call, const LlPacked& packed,
                                                   const LlRunPart& part, u64 lane) {
  const u32 row_words = static_cast<u32>(ll_row_bytes(call) / sizeof(uint4));
  const u32 num_groups = static_cast<u32>(call.ll.hidden / kGroupChannels);
  const u32 num_columns = static_cast<u32>(ll_scale_columns(call));
  const auto scales_before = [&](u32 word) {
    const u32 row = word / row_words;
    return row * num_columns + (word - row * row_words) * num_columns / row_words;
  };
  const u32 first = scales_before(part.first);
  const u64 column_pitch = ll_result_rows(call);
  return {pointer<const float>(lane + call.ll.lane_scales) + part.run.slot * num_groups,
          pointer<u32>(packed.scales) + part.run.expert * num_columns * column_pitch + part.run.row,
          num_groups,
          num_columns,
          first,
          scales_before(part.first + part.num_words) - first,
          column_pitch,
          call.terms.format == kLlFp8Ue8m0};
}

__device__ __forceinline__ u32 ll_load_scale(const LlScalesOfPart& part, u32 i) {
  const u32 row = (part.first + i) / part.num_columns;
  const u32 column = part.first + i - row * part.num_columns;
  const float* scales = part.from + row * part.num_groups;
  return part.in_words ? ll_pack_exponents(scales + column * 4, part.num_groups - column * 4)
                       : __float_as_uint(__ldcg(scales + column));
}

__device__ __forceinline__ void ll_store_scale(const LlScalesOfPart& part, u32 i, u32 word) {
  const u32 row = (part.first + i) / part.num_columns;
  const u32 column = part.first + i - row * part.num_columns;
  part.to[column * part.column_pitch + row] = word;
}

constexpr u32 kScalesAhead = 2;  // of a lane, which come beside the rows

// What comes beside the words of a part: where it lies, and the first of it in the registers of a warp.
struct LlBeside {
  LlTokensOfPart tokens;
  LlScalesOfPart scales;
  i32 token;
  u32 scale[kScalesAhead];
};

// By one warp: loads the first of it.
__device__ __forceinline__ void ll_load_beside(const LlCall& call, const LlPacked& packed,
                                               const LlRunPart& part, u64 lane, LlBeside* beside) {
  beside->tokens = ll_tokens_of_part(call, packed, part, lane);
  if (lane_idx() < beside->tokens.num_rows) {
    beside->token = __ldcg(beside->tokens.from + lane_idx());
  }
  if (is_fp8(call.terms)) {
    beside->scales = ll_scales_of_part(call, packed, part, lane);
#pragma unroll
    for (u32 step = 0; step < kScalesAhead; step++) {
      const u32 i = lane_idx() + step * kWarpThreads;
      beside->scale[step] = i < beside->scales.num_scales ? ll_load_scale(beside->scales, i) : 0;
    }
  }
}

// By one warp: stores it, and copies the rest.
__device__ __forceinline__ void ll_store_beside(const LlBeside& beside) {
  const LlTokensOfPart& tokens = beside.tokens;
  if (lane_idx() < tokens.num_rows) {
    tokens.to[lane_idx()] = beside.token;
  }
#pragma unroll 1
  for (u32 i = lane_idx() + kWarpThreads; i < tokens.num_rows; i += kWarpThreads) {
    tokens.to[i] = __ldcg(tokens.from + i);
  }
  const LlScalesOfPart& scales = beside.scales;
#pragma unroll
  for (u32 step = 0; step < kScalesAhead; step++) {
    const u32 i = lane_idx() + step * kWarpThreads;
    if (i < scales.num_scales) {
      ll_store_scale(scales, i, beside.scale[step]);
    }
  }
#pragma unroll 1
  for (u32 i = lane_idx() + kScalesAhead * kWarpThreads; i < scales.num_scales; i += kWarpThreads) {
    ll_store_scale(scales, i, ll_load_scale(scales, i));
  }
}

// By one warp: its share of the rows, from the lanes to where they are packed. What comes beside the words of
// a part is loaded with them, and stored when the next part is begun.
template <LlCopying kCopying, typename Count>
__device__ __forceinline__ void ll_pack_share(const LlCall& call, const LlPacked& packed, u64 epoch,
                                              const LlRuns& runs, Count count) {
  const u64 row_bytes = ll_row_bytes(call);
  LlPieces pieces = ll_pieces_of(runs, static_cast<u32>(row_bytes / sizeof(uint4)));
  LlInPiece in = {0, 0, 0};
  LlBeside beside = {};
  const auto next_span = [&]() -> LlSpan {
    ll_store_beside(beside);
    const LlRunPart part = ll_take_part(runs, &pieces, &in, count);
    if (part.num_words == 0) {
      return {0, 0, 0};
    }
    const LlRun& run = part.run;
    const u64 lane = ll_dispatch_lane(call, call.geometry.rank, run.source, epoch);
    ll_load_beside(call, packed, part, lane, &beside);
    return ll_span_of(lane + run.slot * row_bytes,
                      packed.rows + (run.expert * ll_result_rows(call) + run.row) * row_bytes, part);
  };
  if (kCopying == LlCopying::kStreamed) {
    ll_stream_spans<LlStream::kOutOfLanes>(next_span);
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
  const auto count = [&](u32 source, u32 expert) -> u32 {
    const i32* counts = ll_flag_counts(ll_flag(call, call.geometry.rank, source, epoch));
    return places[source] != 0 ? static_cast<u32>(__ldcg(counts + expert)) : 0;
  };
  return ll_move_runs(
      call, count, [] { return true; },
      [&](const LlRuns& runs) {
        ll_describe_runs(call, packed, runs);
        ll_pack_share<kCopying>(call, packed, epoch, runs, count);
      });
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
    ll_end_beside(call);
    return;
  }
  const LlBeginning& beginning = ll_resume(call, epoch);
  bool well = ll_pack_rows<LlCopying::kStreamed>(call, args.packed, epoch);
  well = ll_leave(call, well, LlLeft::kRows, epoch);
  if (blockIdx.x == 0) {
    ll_end_packing(call, beginning, well, epoch);
  }
}

// By a whole block: tells what this block's part of the local experts received, from announced counts. False
// for a warp if the call fails.
__device__ inline bool ll_write_announced(const LlCall& call, const LlPacked& packed, u64 epoch) {
  const u64 num_local = call.num_local;
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
  well = ll_leave(call, well, path == kLlDirect ? LlLeft::kSent : LlLeft::kRows, epoch);
  if (blockIdx.x == 0) {
    ll_end_dispatch(call, start.beginning, path, well, epoch);
  }
}

}  // namespace crossdock
