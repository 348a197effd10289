// The steps that the kernels of low-latency mode share: begin a call, wait for peers, end it. The rules
// are those of the Java class LowLatencyState.
#pragma once

#include "protocol.cuh"

namespace crossdock {

constexpr u32 kLlThreads = 512;
constexpr u32 kLlWarps = kLlThreads / kWarpThreads;

// The quotient by a number whose inverse comes with the call: a division takes a kernel as long as a load.
// Exact as long as the value times the number is less than 2^32: choices and experts are far fewer.
__device__ __forceinline__ u32 ll_divide(u32 value, u64 inverse) {
  return static_cast<u32>(value * inverse >> 32);
}

__device__ __forceinline__ u32 ll_token_at(const LlCall& call, u32 choice) {
  return ll_divide(choice, call.topk_inverse);
}

__device__ __forceinline__ u32 ll_owner_of(const LlCall& call, u32 expert) {
  return ll_divide(expert, call.num_local_inverse);
}

__device__ __forceinline__ u64 ll_lane(const LlCall& call, u64 epoch, u64 source) {
  return epoch % kSlotSets * call.geometry.num_ranks + source;
}

// The flag line of a source in the memory of a receiver.
__device__ __forceinline__ LlFlag* ll_flag(const LlCall& call, u64 receiver, u64 source, u64 epoch) {
  return pointer<LlFlag>(peer_memory(call.geometry, receiver) + call.ll.flags +
                         ll_lane(call, epoch, source) * call.ll.flag_pitch);
}

__device__ __forceinline__ i32* ll_flag_counts(LlFlag* flag) {
  return reinterpret_cast<i32*>(flag + 1);
}

__device__ __forceinline__ LlRefusal* ll_refusal(const LlCall& call, u64 receiver, u64 source, u64 epoch) {
  return pointer<LlRefusal>(peer_memory(call.geometry, receiver) + call.ll.refusals +
                            ll_lane(call, epoch, source) * call.ll.refusal_pitch);
}

__device__ __forceinline__ u64 ll_dispatch_lane(const LlCall& call, u64 receiver, u64 source, u64 epoch) {
  return peer_memory(call.geometry, receiver) + call.ll.dispatch +
         ll_lane(call, epoch, source) * call.ll.dispatch_pitch;
}

__device__ __forceinline__ u64 ll_combine_lane(const LlCall& call, u64 receiver, u64 source, u64 epoch) {
  return peer_memory(call.geometry, receiver) + call.ll.combine +
         ll_lane(call, epoch, source) * call.ll.combine_pitch;
}

// The upper bits of a word that was stored in an epoch; the lower ones say more.
constexpr u32 kTagShift = 18;  // more than any count has bits

__device__ __forceinline__ u64 ll_tag(u64 epoch) {
  return epoch << kTagShift;
}

__device__ __forceinline__ u64 ll_payload(u64 word) {
  return word & ((1ull << kTagShift) - 1);
}

// In which the blocks of a source say, each in a word of its own, that their rows are there, and how many
// blocks there are.
__device__ __forceinline__ u64* ll_sent_words(const LlCall& call, u64 receiver, u64 source, u64 epoch) {
  return pointer<u64>(peer_memory(call.geometry, receiver) + call.ll.sent +
                      ll_lane(call, epoch, source) * call.ll.sent_pitch);
}

__device__ __forceinline__ bool is_masked(const LlCall& call, u64 peer) {
  return ld_relaxed_gpu(pointer<const u64>(call.ll.masks) + peer) != 0;
}

__device__ __forceinline__ u64* ll_open(const LlCall& call, u64 epoch) {
  return pointer<u64>(call.ll.open) + epoch % kSlotSets;
}

__device__ __forceinline__ bool is_fp8(const LlTerms& terms) {
  return terms.format != kLlBf16;
}

__device__ __forceinline__ u64 ll_row_bytes(const LlCall& call) {
  return is_fp8(call.terms) ? call.ll.hidden : call.ll.hidden * 2;
}

// What a rank writes of itself into the words `masked_by` of its peers.
constexpr u64 kMasksYou = 1;
constexpr u64 kIsOut = 2;  // it was masked itself, so nobody need wait for it

// What a warp waits for.
struct LlWait {
  u64 words;        // address of rank 0's word in this rank's memory
  u64 pitch_bytes;  // from one rank's word to the next
  u64 expected;
  u64 epoch;  // of the call
  u64 phase;
  u32 payload_bits = 0;       // of words that carry a value below their tag
  bool or_flag = false;       // the peer's flag will do too
  u64* words_seen = nullptr;  // [R], shared, gets the words
};

// Marks only grow. A tag is met when it is there, since words without a later call keep theirs.
__device__ __forceinline__ bool ll_has_come(const LlWait& wait, u64 seen) {
  return wait.payload_bits == 0 ? seen >= wait.expected
                                : seen >> wait.payload_bits == wait.expected >> wait.payload_bits;
}

// Of every two ways that a wait near its end can go, one is taken by all blocks: the first that any of
// them found.
__device__ __noinline__ bool ll_decide(const LlCall& call, u64 peer, u64 epoch, bool masked) {
  u64* word = pointer<u64>(call.ll.decisions) + peer;
  const u64 mine = epoch * 2 + (masked ? 1 : 0);
  u64 before = ld_relaxed_gpu(word);
  while (before / 2 != epoch) {
    const u64 seen = atomicCAS(atomic_word(word), before, mine);
    before = seen == before ? mine : seen;
  }
  return before % 2 == 1;
}

// By one lane: gives a peer up and tells it.
__device__ __noinline__ void ll_mask(const LlCall& call, u64 peer) {
  atomicExch(atomic_word(pointer<u64>(call.ll.masks) + peer), 1ull);
  publish_to_peer(call.geometry, flag_of(call.geometry, call.ll.masked_by, peer, call.geometry.rank),
                  kMasksYou);
}

// By one lane: true if a peer whose word did not come is masked now, since it left, or is out, or time is up.
__device__ __noinline__ bool ll_gives_up(const LlCall& call, const LlWait& wait, u64 peer, u64 waited_nanos) {
  const u64* word = pointer<const u64>(wait.words + peer * wait.pitch_bytes);
  const u64* state = flag_of(call.geometry, call.geometry.states, call.geometry.rank, peer);
  const u64* mask = flag_of(call.geometry, call.ll.masked_by, call.geometry.rank, peer);
  const bool gone = ld_acquire_sys(state) == kLeaving || ld_acquire_sys(mask) == kIsOut;
  const bool expired = waited_nanos > call.geometry.timeout_nanos;
  // A peer stores its last words before it says that it leaves or is out.
  if ((gone && !ll_has_come(wait, ld_acquire_sys(word))) ||
      (expired && ll_decide(call, peer, wait.epoch, true))) {
    ll_mask(call, peer);
    return true;
  }
  return false;
}

// By one lane: true once the peer's word came, or the peer is masked, which a peer that left or does not
// come is if the buffer may shrink. Late words and late masks are decided once for all blocks.
__device__ inline bool ll_is_there(const LlCall& call, const LlWait& wait, u64 peer, u64 waited_nanos,
                                   u64* seen) {
  const u64* word = pointer<const u64>(wait.words + peer * wait.pitch_bytes);
  const bool masked = is_masked(call, peer);
  *seen = ld_acquire_sys(word);
  if (masked) {
    return true;
  }
  if (ll_has_come(wait, *seen) ||
      (wait.or_flag &&
       ld_acquire_sys(&ll_flag(call, call.geometry.rank, peer, wait.epoch)->epoch) >= wait.epoch)) {
    const bool late = waited_nanos > call.geometry.timeout_nanos / 2;
    return !late || !ll_decide(call, peer, wait.epoch, false) || is_masked(call, peer);
  }
  return call.ll.may_shrink != 0 && ll_gives_up(call, wait, peer, waited_nanos);
}
// By one warp: shows the peers that this rank was masked by one of them.
__device__ inline void ll_show_out(const LlCall& call) {
  for (u64 peer = lane_idx(); peer < call.geometry.num_ranks; peer += kWarpThreads) {
    if (peer != call.geometry.rank) {
      publish_to_peer(call.geometry, flag_of(call.geometry, call.ll.masked_by, peer, call.geometry.rank),
                      kIsOut);
    }
  }
  __syncwarp();
}

// By one warp, for the peers from `first` on, one a lane: true if the call ends here, which then is
// recorded.
__device__ __noinline__ bool ll_is_over(const LlCall& call, const LlWait& wait, u64 first, u64 waited_nanos) {
  const u64 peer = first + lane_idx();
  const bool valid = peer < call.geometry.num_ranks && !is_masked(call, peer);
  const bool refused =
      valid && ld_acquire_sys(&ll_refusal(call, call.geometry.rank, peer, wait.epoch)->epoch) == wait.epoch;
  const bool out = valid && ld_acquire_sys(flag_of(call.geometry, call.ll.masked_by, call.geometry.rank,
                                                   peer)) == kMasksYou;
  const u32 refusals = __ballot_sync(kAllLanes, refused);
  const u32 maskers = __ballot_sync(kAllLanes, out);
  if (refusals == 0 && maskers == 0) {
    return false;
  }
  const u32 culprit = __ffs(refusals != 0 ? refusals : maskers) - 1;
  const u64 code = refusals != 0 ? kRefusedCall : kMaskedOut;
  record_failure(call.geometry, {code, first + culprit, wait.phase, wait.expected, 0, waited_nanos, 0, 0, 0});
  if (code == kMaskedOut) {
    ll_show_out(call);
  }
  return true;
}

// By one warp: waits, bounded, until the words of all living ranks reached a value. False if the call
// fails. `waits`, if any, gets how long each one took.
__device__ inline bool ll_await(const LlCall& call, const LlWait& wait, u64 waits) {
  const u64 start = global_timer();
  for (u64 first = 0; first < call.geometry.num_ranks; first += kWarpThreads) {
    const u64 peer = first + lane_idx();
    bool there = peer >= call.geometry.num_ranks;
    u64 seen = 0;
    for (u32 turn = 0;; turn++) {
      const u64 waited = __shfl_sync(kAllLanes, global_timer(), 0) - start;
      if (!there && ll_is_there(call, wait, peer, waited, &seen)) {
        there = true;
        if (wait.words_seen != nullptr) {
          wait.words_seen[peer] = seen;
        }
        if (waits != 0) {
          atomicMax(atomic_word(pointer<u64>(waits) + peer), turn == 0 ? 0ull : waited);
        }
      }
      if (__all_sync(kAllLanes, there)) {
        break;
      }
      if (turn % kLooksAtOnce != kLooksAtOnce - 1) {
        continue;
      }
      const u64 failed = __shfl_sync(kAllLanes, ld_relaxed_gpu(&local_state(call.geometry)->failed), 0);
      if (failed != 0 || ll_is_over(call, wait, first, waited)) {
        return false;
      }
      const Wait plain = {wait.words, wait.pitch_bytes, wait.expected, wait.phase};
      if (call.ll.may_shrink == 0 &&
          is_in_vain(call.geometry, plain, first, there ? wait.expected : seen, waited)) {
        return false;
      }
    }
  }
  __syncwarp();
  return true;
}

// The mark of a rank that freed the slots that a call is to use.
__device__ __forceinline__ u64 ll_granting_mark(u64 epoch) {
  return epoch < kSlotSets ? 0 : epoch - kSlotSets;
}

// What a warp sees before a call, in one round trip.
struct LlLook {
  bool ready;     // nothing is in the way of the call
  bool unmasked;  // no rank is masked
  bool read;      // all ranks have read what was in the result area before
  u64 other;      // the call that uses the other slot set and is not complete, or 0
};

// By one warp.
__device__ __forceinline__ LlLook ll_look(const LlCall& call, u64 epoch) {
  // None of these loads waits for the epoch.
  const u64* open = pointer<const u64>(call.ll.open);
  const u64 even = ld_relaxed_gpu(open);
  const u64 odd = ld_relaxed_gpu(open + 1);
  const u64 pulled = ld_relaxed_gpu(pointer<const u64>(call.ll.pulled) + call.area);
  const u64 in_use = epoch % kSlotSets == 0 ? even : odd;
  const u64 other = epoch % kSlotSets == 0 ? odd : even;
  LlLook look = {true, true, true, other};
  for (u64 peer = lane_idx(); peer < call.geometry.num_ranks; peer += kWarpThreads) {
    const bool masked = is_masked(call, peer);
    const u64 state = ld_relaxed_sys(flag_of(call.geometry, call.geometry.states, call.geometry.rank, peer));
    // An acquire load holds back those after it, so it is the last.
    const u64 mark = ld_acquire_sys(flag_of(call.geometry, call.ll.completed, call.geometry.rank, peer));
    look.ready = look.ready && state != kAborted && (masked || mark >= ll_granting_mark(epoch));
    look.unmasked = look.unmasked && !masked;
    look.read = look.read && (masked || mark >= pulled);
  }
  look.ready = look.ready && in_use == 0;
  return {__all_sync(kAllLanes, look.ready) != 0, __all_sync(kAllLanes, look.unmasked) != 0,
          __all_sync(kAllLanes, look.read) != 0, other};
}

// By one warp: refuses to begin on a buffer that was aborted or whose slots are in use here, and waits
// until every living peer freed its slots.
__device__ __noinline__ bool ll_can_begin(const LlCall& call, u64 epoch) {
  const i32 origin = find_state(call.geometry, kAborted);
  if (origin >= 0) {
    record_failure(call.geometry, {kUnusable, static_cast<u64>(origin), kGrantPhase, epoch, 0, 0, 0, 0, 0});
    return false;
  }
  const u64 in_use = ld_relaxed_gpu(ll_open(call, epoch));
  if (in_use != 0) {
    record_failure(call.geometry, {kHookPending, call.geometry.rank, kGrantPhase, epoch, in_use, 0, 0, 0, 0});
    return false;
  }
  const u64 words = own_memory(call.geometry) + call.ll.completed;
  return ll_await(call, {words, sizeof(u64), ll_granting_mark(epoch), epoch, kGrantPhase}, 0);
}

// What the state of a rank is once a grid is over.
struct LlAfter {
  u64 last;   // calls up to it were begun
  u64 other;  // the call that uses the other slot set and is not complete, or 0
};

// What a block begins a call with.
struct LlBeginning {
  u32 ready;
  u32 at_once;  // without a wait, in which ranks may have been masked
  u32 unmasked;
  u32 read;
  LlAfter after;
};

// By a whole block, of which the last warp works: the block must meet before it looks at the result.
__device__ inline const LlBeginning& ll_begin(const LlCall& call, u64 epoch) {
  __shared__ LlBeginning beginning;
  if (warp_idx() == blockDim.x / kWarpThreads - 1) {
    const LlLook look = ll_look(call, epoch);
    const bool ready = look.ready || ll_can_begin(call, epoch);
    if (lane_idx() == 0) {
      beginning = {ready ? 1u : 0u, look.ready ? 1u : 0u, look.unmasked ? 1u : 0u, look.read ? 1u : 0u,
                   {epoch, look.other}};
    }
  }
  return beginning;
}

// The same for the first block of a receive half, whose call began in the grid of its send half. Other calls
// may have begun since.
__device__ inline const LlBeginning& ll_resume(const LlCall& call, u64 epoch) {
  __shared__ LlBeginning beginning;
  if (blockIdx.x == 0 && warp_idx() == blockDim.x / kWarpThreads - 1) {
    const u64 last = ld_relaxed_gpu(&local_state(call.geometry)->epoch);
    const LlLook look = ll_look(call, epoch);
    if (lane_idx() == 0) {
      beginning = {1u, 1u, look.unmasked ? 1u : 0u, look.read ? 1u : 0u, {max(last, epoch), look.other}};
    }
  }
  return beginning;
}

__device__ inline bool ll_agrees(const LlTerms& a, const LlTerms& b) {
  return a.kind == b.kind && a.format == b.format && a.num_experts == b.num_experts &&
         a.num_max_tokens == b.num_max_tokens && a.handle_epoch == b.handle_epoch;
}

// This rank's terms, complete with the epoch of the handle.
__device__ __forceinline__ LlTerms ll_terms(const LlCall& call) {
  LlTerms terms = call.terms;
  terms.handle_epoch = terms.kind == kLlCombine ? *pointer<const u64>(call.handle.epoch) : 0;
  return terms;
}

// By one warp: looks into the flag lines of all sources that count, whose terms must be this rank's.
// `places`[R] gets where their rows lie.
__device__ inline bool ll_read_flags(const LlCall& call, const LlTerms& mine, u64 epoch, u32* places) {
  for (u64 first = 0; first < call.geometry.num_ranks; first += kWarpThreads) {
    const u64 peer = first + lane_idx();
    bool differs = false;
    u64 kind = 0;
    if (peer < call.geometry.num_ranks) {
      const bool masked = is_masked(call, peer);
      const LlFlag* flag = ll_flag(call, call.geometry.rank, peer, epoch);
      const LlTerms theirs = flag->terms;
      const u64 place = flag->place;
      differs = !masked && !ll_agrees(mine, theirs);
      kind = theirs.kind;
      places[peer] = masked ? 0 : static_cast<u32>(place) + 1;
    }
    const u32 culprits = __ballot_sync(kAllLanes, differs);
    if (culprits != 0) {
      const u32 culprit = __ffs(culprits) - 1;
      kind = __shfl_sync(kAllLanes, kind, culprit);
      record_failure(call.geometry,
                     {kMismatch, first + culprit, kReceivePhase, epoch, 0, 0, mine.kind, kind, 0});
      return false;
    }
  }
  return true;
}

// By a whole block: waits for the flags of all living sources. `places`[R] tells where their rows lie:
// 0 if they do not count, else the place of the flag + 1.
__device__ inline bool ll_await_flags(const LlCall& call, u64 epoch, u32* places) {
  __shared__ u32 complete;
  if (warp_idx() == 0) {
    const LlTerms mine = ll_terms(call);
    const u64 words = reinterpret_cast<u64>(ll_flag(call, call.geometry.rank, 0, epoch));
    const bool came = ll_await(call, {words, call.ll.flag_pitch, epoch, epoch, kReceivePhase}, call.waits) &&
                      ll_read_flags(call, mine, epoch, places);
    store_by_warp(&complete, came);
  }
  __syncthreads();
  return complete != 0;
}

// What a flag line says besides the epoch.
struct LlFlagBody {
  LlTerms terms;
  u64 place;
  bool counted;  // with the rows for each expert
};

// By one lane: writes what a flag says of the call.
__device__ __forceinline__ void ll_write_terms(LlFlag* flag, const LlFlagBody& body) {
  flag->terms = body.terms;
  flag->place = body.place;
}

// By one warp: writes what this rank's flag says to one receiver.
__device__ inline void ll_write_flag(const LlCall& call, const LlFlagBody& body, u64 peer, u64 epoch) {
  LlFlag* flag = ll_flag(call, peer, call.geometry.rank, epoch);
  const u64 num_local = call.num_local;
  const i32* counts = pointer<const i32>(call.ll.expert_counts) + peer * num_local;
  for (u64 i = lane_idx(); body.counted && i < num_local; i += kWarpThreads) {
    ll_flag_counts(flag)[i] = __ldcg(counts + i);
  }
  if (lane_idx() == 0) {
    ll_write_terms(flag, body);
  }
  __syncwarp();
}

// By a block, a warp for each peer: what its flags will say to all living ranks.
__device__ inline void ll_write_flags(const LlCall& call, const LlFlagBody& body, u64 epoch) {
  for (u64 peer = warp_idx(); peer < call.geometry.num_ranks; peer += blockDim.x / kWarpThreads) {
    // Another block may mask a peer meanwhile, so all lanes go by one look.
    if (!__any_sync(kAllLanes, is_masked(call, peer))) {
      ll_write_flag(call, body, peer, epoch);
    }
  }
}

// By the same block: tells all living ranks that everything of this call was sent to them.
__device__ inline void ll_raise_flags(const LlCall& call, u64 epoch) {
  for (u64 peer = warp_idx(); peer < call.geometry.num_ranks; peer += blockDim.x / kWarpThreads) {
    if (lane_idx() == 0 && !is_masked(call, peer)) {
      publish_to_peer(call.geometry, &ll_flag(call, peer, call.geometry.rank, epoch)->epoch, epoch);
    }
  }
  __syncthreads();
}

// By a block: both.
__device__ inline void ll_publish_flags(const LlCall& call, const LlFlagBody& body, u64 epoch) {
  ll_write_flags(call, body, epoch);
  ll_raise_flags(call, epoch);
}

// By one warp: tells all ranks that this rank's call is invalid.
__device__ __noinline__ void ll_publish_refusal(const LlCall& call, u64 epoch, const LlRefusal& refusal,
                                                const char* reason) {
  for (u64 peer = 0; peer < call.geometry.num_ranks; peer++) {
    LlRefusal* cell = ll_refusal(call, peer, call.geometry.rank, epoch);
    char* text = reinterpret_cast<char*>(cell + 1);
    for (u32 i = lane_idx(); i < kReasonBytes; i += kWarpThreads) {
      text[i] = reason == nullptr ? 0 : reason[i];
    }
    if (lane_idx() == 0) {
      cell->code = refusal.code;
      cell->fact0 = refusal.fact0;
      cell->fact1 = refusal.fact1;
      cell->fact2 = refusal.fact2;
    }
    __syncwarp();
    if (lane_idx() == 0) {
      publish_to_peer(call.geometry, &cell->epoch, epoch);
    }
  }
  __syncwarp();
}

// By one warp: waits until all ranks have read the outputs of the result that was in this area before.
__device__ __noinline__ void ll_await_readers(const LlCall& call, u64 epoch) {
  const u64 pulled = ld_relaxed_gpu(pointer<const u64>(call.ll.pulled) + call.area);
  if (!has_failed(call.geometry) && !ll_look(call, epoch).read) {
    const u64 words = own_memory(call.geometry) + call.ll.completed;
    ll_await(call, {words, sizeof(u64), pulled, epoch, kPullPhase}, 0);
  }
}

}  // namespace crossdock
