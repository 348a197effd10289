// Enters a fresh dispatch: every row's place is known when it ends.
//
//   all blocks   rank by rank: which tokens go there, their positions, choices of each expert
//   last block   publish the entry, await all, verdict, prefix sums, counts to the host
#include "../include/protocol.cuh"
#include "../include/routes.cuh"

namespace crossdock {

__device__ inline Choices choices_of(const EnterArgs& args) {
  const u64 num_experts = args.entry.num_experts;
  return {args.topk_idx,
          args.topk_idx_pitch,
          args.entry.index_bytes,
          args.num_tokens,
          static_cast<u32>(args.entry.topk),
          static_cast<i64>(num_experts),
          static_cast<u32>(num_experts / args.geometry.num_ranks)};
}

// By a whole block: fills the bits of one pass from the layout alone.
__device__ inline void mark_tokens_of_layout(const EnterArgs& args, u64 rank, u64 first_token,
                                             TokenBits* bits) {
  const u32 num_words = num_words_of(args.num_tokens, first_token);
  for (u32 i = warp_idx(); i < num_words; i += kRouteWarps) {
    const u64 token = first_token + i * kWordTokens + lane_idx();
    const u64 at = token * args.geometry.num_ranks + rank;
    const bool sent = token < args.num_tokens && pointer<const unsigned char>(args.layout_in_rank)[at] != 0;
    const u32 word = __ballot_sync(kAllLanes, sent);
    if (lane_idx() == 0) {
      bits->words[i] = word;
    }
  }
}

// By a whole block: stores the positions of one pass.
__device__ inline void store_positions(const EnterArgs& args, u64 rank, u64 first_token,
                                       const TokenBits& bits) {
  i32* positions = pointer<i32>(args.handle.positions);
  for (u32 i = threadIdx.x; i < kPassTokens && first_token + i < args.num_tokens; i += kRouteThreads) {
    positions[(first_token + i) * args.geometry.num_ranks + rank] =
        bit_of(bits, i) ? static_cast<i32>(position_of(bits, i)) : -1;
  }
  __syncthreads();
}

// By a whole block: fills one rank's column of the positions.
__device__ inline void plan_rank(const EnterArgs& args, const Choices& choices, u64 rank, u64* lowest_key) {
  __shared__ u32 expert_counts[kMaxLocalExperts];
  __shared__ TokenBits bits;
  const u32 num_local_experts = choices.num_local_experts;
  clear_counts(expert_counts, num_local_experts);
  const ExpertRange range = {static_cast<i64>(rank) * num_local_experts, num_local_experts, expert_counts};
  u32 num_sent = 0;
  for (u64 first = 0; first < args.num_tokens; first += kPassTokens) {
    if (args.topk_idx != 0) {
      mark_tokens(choices, range, first, &bits, lowest_key);
    } else {
      mark_tokens_of_layout(args, rank, first, &bits);
    }
    num_sent += count_bits(&bits, num_words_of(args.num_tokens, first), num_sent);
    store_positions(args, rank, first, bits);
  }
  if (threadIdx.x == 0) {
    pointer<i64>(args.rank_counts)[rank] = num_sent;
  }
  if (args.topk_idx != 0) {
    i32* counts = pointer<i32>(args.expert_counts) + rank * num_local_experts;
    store_counts(counts, expert_counts, num_local_experts);
  }
}

// By one thread: turns the entry into a refusal if the choices or the layout are wrong.
__device__ inline void refuse_if_wrong(const EnterArgs& args, const Choices& choices, EntryHeader* head) {
  LocalState* local = local_state(args.geometry);
  const u64 key = local->refusal_key;
  local->refusal_key = kNoRefusal;
  if (key != kNoRefusal) {
    head->kind = kRefused;
    describe_refusal(choices, key, head);
    return;
  }
  for (u64 rank = 0; rank < args.geometry.num_ranks && args.topk_idx != 0; rank++) {
    const i64 counted = pointer<const i64>(args.rank_counts)[rank];
    const i32 claimed = pointer<const i32>(args.layout_rank_counts)[rank];
    if (counted != claimed) {
      head->kind = kRefused;
      head->refusal = kForeignLayout;
      head->fact0 = rank;
      head->fact1 = static_cast<u64>(static_cast<i64>(claimed));
      head->fact2 = counted;
      return;
    }
  }
}

// By a whole block: prefix sums over the sources, for the handle and for the host.
__device__ inline void store_prefix(const EnterArgs& args, u64 epoch, i64* host_prefix) {
  const u64 num_ranks = args.geometry.num_ranks;
  i64* prefix = pointer<i64>(args.handle.prefix);
  for (u64 destination = threadIdx.x; destination < num_ranks; destination += blockDim.x) {
    i64 sum = 0;
    for (u64 source = 0; source < num_ranks; source++) {
      EntryHeader* entry = entry_of(args.geometry, args.geometry.rank, source, epoch);
      sum += entry_rank_counts(entry)[destination];
      prefix[source * num_ranks + destination] = sum;
      if (host_prefix != nullptr) {
        host_prefix[source * num_ranks + destination] = sum;
      }
    }
  }
}

// By a whole block: rows of each local expert over all sources, for the host.
__device__ inline void store_expert_counts(const EnterArgs& args, u64 num_local_experts, u64 epoch,
                                           i32* host_counts) {
  const u64 num_ranks = args.geometry.num_ranks;
  for (u64 expert = threadIdx.x; expert < num_local_experts; expert += blockDim.x) {
    i32 sum = 0;
    for (u64 source = 0; source < num_ranks; source++) {
      EntryHeader* entry = entry_of(args.geometry, args.geometry.rank, source, epoch);
      sum += entry_expert_counts(entry, num_ranks)[expert];
    }
    host_counts[expert] = sum;
  }
}

// By a whole block: hands the counts to the handle and, if it waits for them, to the host.
__device__ inline void deliver_counts(const EnterArgs& args, const Choices& choices, u64 epoch) {
  const u64 num_ranks = args.geometry.num_ranks;
  CountsHeader* counts = pointer<CountsHeader>(args.counts);
  i64* host_prefix = counts == nullptr ? nullptr : reinterpret_cast<i64*>(counts + 1);
  store_prefix(args, epoch, host_prefix);
  if (counts != nullptr) {
    i32* host_counts = reinterpret_cast<i32*>(host_prefix + num_ranks * num_ranks);
    store_expert_counts(args, choices.num_local_experts, epoch, host_counts);
  }
  if (threadIdx.x == 0) {
    *pointer<u64>(args.handle.epoch) = epoch;
  }
  __syncthreads();
  if (threadIdx.x == 0 && counts != nullptr) {
    counts->epoch = epoch;
    publish_flag(&counts->ticket, args.reporting.ticket);
  }
}

// By the last block: agrees with the peers.
__device__ inline bool exchange(const EnterArgs& args, const Choices& choices, u64 epoch) {
  __shared__ EntryHeader head;
  __shared__ u32 proceed;
  if (threadIdx.x == 0) {
    head = args.entry;
    refuse_if_wrong(args, choices, &head);
    proceed = 0;
  }
  __syncthreads();
  if (warp_idx() == 0) {
    store_by_warp(&proceed, can_begin(args.geometry, epoch));
  }
  __syncthreads();
  if (proceed != 0) {
    const u64 expert_counts = args.topk_idx != 0 ? args.expert_counts : args.layout_expert_counts;
    publish_entries(args.geometry, head,
                    {nullptr, pointer<const i64>(args.rank_counts), pointer<const i32>(expert_counts),
                     choices.num_local_experts},
                    epoch);
    __syncthreads();
    if (warp_idx() == 0) {
      store_by_warp(&proceed, await_verdict(args.geometry, args.handle, epoch, nullptr));
    }
    __syncthreads();
  }
  return proceed != 0;
}

extern "C" __global__ void __launch_bounds__(kRouteThreads, 1)
    enter_dispatch(const __grid_constant__ EnterArgs args) {
  const u64 epoch = current_epoch(args.geometry);
  const Choices choices = choices_of(args);
  u64 lowest_key = kNoRefusal;
  for (u64 rank = blockIdx.x; rank < args.geometry.num_ranks; rank += gridDim.x) {
    plan_rank(args, choices, rank, &lowest_key);
  }
  LocalState* local = local_state(args.geometry);
  if (lowest_key != kNoRefusal) {
    atomicMin(atomic_word(&local->refusal_key), lowest_key);
  }
  if (!is_last_arrival(&local->arrivals)) {
    return;
  }
  const bool proceed = exchange(args, choices, epoch);
  if (proceed) {
    deliver_counts(args, choices, epoch);
  }
  if (warp_idx() == 0) {
    if (lane_idx() == 0) {
      local->entered = proceed ? kProceed : kRefusedCall;
    }
    const Reporting silent = {0, 0, 0};
    end_grid(args.geometry, proceed ? silent : args.reporting, epoch, !proceed);
  }
}

}  // namespace crossdock
