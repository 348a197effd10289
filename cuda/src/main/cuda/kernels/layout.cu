// Counts where tokens go. Not collective.
#include "../include/protocol.cuh"
#include "../include/routes.cuh"

namespace crossdock {

__device__ inline Choices choices_of(const LayoutArgs& args) {
  return {args.topk_idx,
          args.topk_idx_pitch,
          args.index_bytes,
          args.num_tokens,
          static_cast<u32>(args.topk),
          static_cast<i64>(args.num_experts),
          static_cast<u32>(args.num_experts / args.num_ranks)};
}

// By a whole block: one rank's column, its tokens and the choices of its experts.
__device__ inline void count_rank(const LayoutArgs& args, const Choices& choices, u64 rank, TokenBits* bits,
                                  u64* lowest_key) {
  __shared__ u32 expert_counts[kMaxLocalExperts];
  const u32 num_local_experts = choices.num_local_experts;
  clear_counts(expert_counts, num_local_experts);
  const ExpertRange range = {static_cast<i64>(rank) * num_local_experts, num_local_experts, expert_counts};
  u32 num_tokens = 0;
  for (u64 first = 0; first < args.num_tokens; first += kPassTokens) {
    mark_tokens(choices, range, first, bits, lowest_key);
    num_tokens += count_bits(bits, num_words_of(args.num_tokens, first), 0);
    for (u32 i = threadIdx.x; i < kPassTokens && first + i < args.num_tokens; i += kRouteThreads) {
      const u64 at = (first + i) * args.num_ranks + rank;
      pointer<unsigned char>(args.token_in_rank)[at] = bit_of(*bits, i) ? 1 : 0;
    }
    __syncthreads();
  }
  if (threadIdx.x == 0) {
    pointer<i32>(args.tokens_per_rank)[rank] = static_cast<i32>(num_tokens);
  }
  store_counts(pointer<i32>(args.tokens_per_expert) + rank * num_local_experts, expert_counts,
               num_local_experts);
}

// By a whole block: a token counts once for a node however many of its ranks want it.
__device__ inline void count_node(const LayoutArgs& args, const Choices& choices, u64 node, TokenBits* bits) {
  const u32 per_node = static_cast<u32>(args.num_local_ranks) * choices.num_local_experts;
  const ExpertRange range = {static_cast<i64>(node) * per_node, per_node, nullptr};
  u64 ignored = kNoRefusal;
  u32 num_tokens = 0;
  for (u64 first = 0; first < args.num_tokens; first += kPassTokens) {
    mark_tokens(choices, range, first, bits, &ignored);
    num_tokens += count_bits(bits, num_words_of(args.num_tokens, first), 0);
  }
  if (threadIdx.x == 0) {
    pointer<i32>(args.tokens_per_node)[node] = static_cast<i32>(num_tokens);
  }
}

// By one warp of the last block: says whether the choices are valid.
__device__ inline void report_layout(const LayoutArgs& args, const Choices& choices) {
  u64* scratch = pointer<u64>(args.scratch);
  const u64 key = scratch[0];
  if (lane_idx() == 0) {
    scratch[0] = kNoRefusal;
    scratch[1] = 0;
    Report* report = pointer<Report>(args.reporting.report);
    if (report != nullptr && key != kNoRefusal) {
      report->outcome.code = kRefusedCall;
      describe_refusal(choices, key, &report->culprit);
      publish_flag(&report->ticket, args.reporting.ticket);
    } else if (report != nullptr && args.reporting.sticky == 0) {
      st_relaxed_sys_v2(&report->ticket, args.reporting.ticket, 0);
    }
  }
}

extern "C" __global__ void __launch_bounds__(kRouteThreads, 1)
    count_layout(const __grid_constant__ LayoutArgs args) {
  __shared__ TokenBits bits;
  const Choices choices = choices_of(args);
  u64 lowest_key = kNoRefusal;
  for (u64 rank = blockIdx.x; rank < args.num_ranks; rank += gridDim.x) {
    count_rank(args, choices, rank, &bits, &lowest_key);
  }
  const u64 num_nodes = args.tokens_per_node == 0 ? 0 : args.num_ranks / args.num_local_ranks;
  for (u64 node = blockIdx.x; node < num_nodes; node += gridDim.x) {
    count_node(args, choices, node, &bits);
  }
  u64* scratch = pointer<u64>(args.scratch);
  if (lowest_key != kNoRefusal) {
    atomicMin(atomic_word(scratch), lowest_key);
  }
  if (is_last_arrival(scratch + 1) && warp_idx() == 0) {
    report_layout(args, choices);
  }
}

}  // namespace crossdock
