// The offsets of every struct that Java writes or reads: size, then each field in order. A test compares
// them with those of the Java classes.
#pragma once

#include "args.cuh"

namespace crossdock {

#define CROSSDOCK_OFFSET(type, field) static_cast<u32>(offsetof(type, field))

extern "C" __constant__ const u32 layout_Geometry[] = {
    sizeof(Geometry),
    CROSSDOCK_OFFSET(Geometry, rank),
    CROSSDOCK_OFFSET(Geometry, num_ranks),
    CROSSDOCK_OFFSET(Geometry, timeout_nanos),
    CROSSDOCK_OFFSET(Geometry, peers),
    CROSSDOCK_OFFSET(Geometry, memory),
    CROSSDOCK_OFFSET(Geometry, on_one_gpu),
    CROSSDOCK_OFFSET(Geometry, local),
    CROSSDOCK_OFFSET(Geometry, entries),
    CROSSDOCK_OFFSET(Geometry, entry_pitch),
    CROSSDOCK_OFFSET(Geometry, finished),
    CROSSDOCK_OFFSET(Geometry, pulled),
    CROSSDOCK_OFFSET(Geometry, states),
    CROSSDOCK_OFFSET(Geometry, barriers),
    CROSSDOCK_OFFSET(Geometry, receive),
    CROSSDOCK_OFFSET(Geometry, receive_pitch),
    CROSSDOCK_OFFSET(Geometry, recv_scales),
    CROSSDOCK_OFFSET(Geometry, recv_topk_idx),
    CROSSDOCK_OFFSET(Geometry, recv_topk_weights),
    CROSSDOCK_OFFSET(Geometry, recv_source),
    CROSSDOCK_OFFSET(Geometry, output),
    CROSSDOCK_OFFSET(Geometry, output_pitch),
    CROSSDOCK_OFFSET(Geometry, output_weights),
    CROSSDOCK_OFFSET(Geometry, capacity_rows),
};

extern "C" __constant__ const u32 layout_EntryHeader[] = {
    sizeof(EntryHeader),
    CROSSDOCK_OFFSET(EntryHeader, epoch),
    CROSSDOCK_OFFSET(EntryHeader, kind),
    CROSSDOCK_OFFSET(EntryHeader, window),
    CROSSDOCK_OFFSET(EntryHeader, capacity_rows),
    CROSSDOCK_OFFSET(EntryHeader, output_rows),
    CROSSDOCK_OFFSET(EntryHeader, row_bytes),
    CROSSDOCK_OFFSET(EntryHeader, scale_bytes),
    CROSSDOCK_OFFSET(EntryHeader, topk),
    CROSSDOCK_OFFSET(EntryHeader, index_bytes),
    CROSSDOCK_OFFSET(EntryHeader, num_experts),
    CROSSDOCK_OFFSET(EntryHeader, weights),
    CROSSDOCK_OFFSET(EntryHeader, dtype),
    CROSSDOCK_OFFSET(EntryHeader, handle_epoch),
    CROSSDOCK_OFFSET(EntryHeader, round),
    CROSSDOCK_OFFSET(EntryHeader, can_round),
    CROSSDOCK_OFFSET(EntryHeader, refusal),
    CROSSDOCK_OFFSET(EntryHeader, fact0),
    CROSSDOCK_OFFSET(EntryHeader, fact1),
    CROSSDOCK_OFFSET(EntryHeader, fact2),
};

extern "C" __constant__ const u32 layout_Outcome[] = {
    sizeof(Outcome),
    CROSSDOCK_OFFSET(Outcome, code),
    CROSSDOCK_OFFSET(Outcome, peer),
    CROSSDOCK_OFFSET(Outcome, phase),
    CROSSDOCK_OFFSET(Outcome, expected),
    CROSSDOCK_OFFSET(Outcome, seen),
    CROSSDOCK_OFFSET(Outcome, waited_nanos),
    CROSSDOCK_OFFSET(Outcome, fact0),
    CROSSDOCK_OFFSET(Outcome, fact1),
    CROSSDOCK_OFFSET(Outcome, fact2),
};

extern "C" __constant__ const u32 layout_Report[] = {
    sizeof(Report),
    CROSSDOCK_OFFSET(Report, ticket),
    CROSSDOCK_OFFSET(Report, epoch),
    CROSSDOCK_OFFSET(Report, outcome),
    CROSSDOCK_OFFSET(Report, first),
    CROSSDOCK_OFFSET(Report, culprit),
    CROSSDOCK_OFFSET(Report, reason),
};

extern "C" __constant__ const u32 layout_Reporting[] = {
    sizeof(Reporting),
    CROSSDOCK_OFFSET(Reporting, report),
    CROSSDOCK_OFFSET(Reporting, ticket),
    CROSSDOCK_OFFSET(Reporting, sticky),
};

extern "C" __constant__ const u32 layout_LocalState[] = {
    sizeof(LocalState),
    CROSSDOCK_OFFSET(LocalState, epoch),
    CROSSDOCK_OFFSET(LocalState, arrivals),
    CROSSDOCK_OFFSET(LocalState, departures),
    CROSSDOCK_OFFSET(LocalState, failed),
    CROSSDOCK_OFFSET(LocalState, entered),
    CROSSDOCK_OFFSET(LocalState, refusal_key),
    CROSSDOCK_OFFSET(LocalState, barrier),
    CROSSDOCK_OFFSET(LocalState, claimed),
    CROSSDOCK_OFFSET(LocalState, outcome),
    CROSSDOCK_OFFSET(LocalState, output_epochs),
};

extern "C" __constant__ const u32 layout_HandlePointers[] = {
    sizeof(HandlePointers),
    CROSSDOCK_OFFSET(HandlePointers, epoch),
    CROSSDOCK_OFFSET(HandlePointers, prefix),
    CROSSDOCK_OFFSET(HandlePointers, positions),
    CROSSDOCK_OFFSET(HandlePointers, sources),
};

extern "C" __constant__ const u32 layout_CountsHeader[] = {
    sizeof(CountsHeader),
    CROSSDOCK_OFFSET(CountsHeader, ticket),
    CROSSDOCK_OFFSET(CountsHeader, epoch),
};

extern "C" __constant__ const u32 layout_EnterArgs[] = {
    sizeof(EnterArgs),
    CROSSDOCK_OFFSET(EnterArgs, geometry),
    CROSSDOCK_OFFSET(EnterArgs, entry),
    CROSSDOCK_OFFSET(EnterArgs, handle),
    CROSSDOCK_OFFSET(EnterArgs, reporting),
    CROSSDOCK_OFFSET(EnterArgs, counts),
    CROSSDOCK_OFFSET(EnterArgs, num_tokens),
    CROSSDOCK_OFFSET(EnterArgs, topk_idx),
    CROSSDOCK_OFFSET(EnterArgs, topk_idx_pitch),
    CROSSDOCK_OFFSET(EnterArgs, layout_in_rank),
    CROSSDOCK_OFFSET(EnterArgs, layout_rank_counts),
    CROSSDOCK_OFFSET(EnterArgs, layout_expert_counts),
    CROSSDOCK_OFFSET(EnterArgs, rank_counts),
    CROSSDOCK_OFFSET(EnterArgs, expert_counts),
};

extern "C" __constant__ const u32 layout_PlaceArgs[] = {
    sizeof(PlaceArgs),
    CROSSDOCK_OFFSET(PlaceArgs, geometry),
    CROSSDOCK_OFFSET(PlaceArgs, entry),
    CROSSDOCK_OFFSET(PlaceArgs, handle),
    CROSSDOCK_OFFSET(PlaceArgs, reporting),
    CROSSDOCK_OFFSET(PlaceArgs, entered),
    CROSSDOCK_OFFSET(PlaceArgs, num_tokens),
    CROSSDOCK_OFFSET(PlaceArgs, x),
    CROSSDOCK_OFFSET(PlaceArgs, x_pitch),
    CROSSDOCK_OFFSET(PlaceArgs, scales),
    CROSSDOCK_OFFSET(PlaceArgs, scales_pitch),
    CROSSDOCK_OFFSET(PlaceArgs, topk_idx),
    CROSSDOCK_OFFSET(PlaceArgs, topk_idx_pitch),
    CROSSDOCK_OFFSET(PlaceArgs, topk_weights),
    CROSSDOCK_OFFSET(PlaceArgs, topk_weights_pitch),
    CROSSDOCK_OFFSET(PlaceArgs, first_row),
    CROSSDOCK_OFFSET(PlaceArgs, piece_bytes),
    CROSSDOCK_OFFSET(PlaceArgs, num_stages),
    CROSSDOCK_OFFSET(PlaceArgs, out_rows),
    CROSSDOCK_OFFSET(PlaceArgs, out_scales),
    CROSSDOCK_OFFSET(PlaceArgs, out_topk_idx),
    CROSSDOCK_OFFSET(PlaceArgs, out_topk_weights),
    CROSSDOCK_OFFSET(PlaceArgs, worst_rows),
    CROSSDOCK_OFFSET(PlaceArgs, tail_topk_idx),
    CROSSDOCK_OFFSET(PlaceArgs, tail_topk_weights),
};

extern "C" __constant__ const u32 layout_CombineArgs[] = {
    sizeof(CombineArgs),
    CROSSDOCK_OFFSET(CombineArgs, geometry),
    CROSSDOCK_OFFSET(CombineArgs, entry),
    CROSSDOCK_OFFSET(CombineArgs, handle),
    CROSSDOCK_OFFSET(CombineArgs, reporting),
    CROSSDOCK_OFFSET(CombineArgs, mode),
    CROSSDOCK_OFFSET(CombineArgs, num_tokens),
    CROSSDOCK_OFFSET(CombineArgs, y),
    CROSSDOCK_OFFSET(CombineArgs, y_pitch),
    CROSSDOCK_OFFSET(CombineArgs, weights),
    CROSSDOCK_OFFSET(CombineArgs, weights_pitch),
    CROSSDOCK_OFFSET(CombineArgs, bias0),
    CROSSDOCK_OFFSET(CombineArgs, bias0_pitch),
    CROSSDOCK_OFFSET(CombineArgs, bias1),
    CROSSDOCK_OFFSET(CombineArgs, bias1_pitch),
    CROSSDOCK_OFFSET(CombineArgs, combined_x),
    CROSSDOCK_OFFSET(CombineArgs, combined_x_pitch),
    CROSSDOCK_OFFSET(CombineArgs, combined_weights),
    CROSSDOCK_OFFSET(CombineArgs, combined_weights_pitch),
    CROSSDOCK_OFFSET(CombineArgs, first_row),
    CROSSDOCK_OFFSET(CombineArgs, gathered),
    CROSSDOCK_OFFSET(CombineArgs, gathered_weights),
    CROSSDOCK_OFFSET(CombineArgs, max_per_token),
};

extern "C" __constant__ const u32 layout_RefuseArgs[] = {
    sizeof(RefuseArgs),
    CROSSDOCK_OFFSET(RefuseArgs, geometry),
    CROSSDOCK_OFFSET(RefuseArgs, entry),
    CROSSDOCK_OFFSET(RefuseArgs, reporting),
    CROSSDOCK_OFFSET(RefuseArgs, reason),
};

extern "C" __constant__ const u32 layout_AwaitPulledArgs[] = {
    sizeof(AwaitPulledArgs),
    CROSSDOCK_OFFSET(AwaitPulledArgs, geometry),
    CROSSDOCK_OFFSET(AwaitPulledArgs, reporting),
    CROSSDOCK_OFFSET(AwaitPulledArgs, window),
};

extern "C" __constant__ const u32 layout_BarrierArgs[] = {
    sizeof(BarrierArgs),
    CROSSDOCK_OFFSET(BarrierArgs, geometry),
    CROSSDOCK_OFFSET(BarrierArgs, reporting),
};

extern "C" __constant__ const u32 layout_LayoutArgs[] = {
    sizeof(LayoutArgs),
    CROSSDOCK_OFFSET(LayoutArgs, reporting),
    CROSSDOCK_OFFSET(LayoutArgs, scratch),
    CROSSDOCK_OFFSET(LayoutArgs, topk_idx),
    CROSSDOCK_OFFSET(LayoutArgs, topk_idx_pitch),
    CROSSDOCK_OFFSET(LayoutArgs, index_bytes),
    CROSSDOCK_OFFSET(LayoutArgs, num_tokens),
    CROSSDOCK_OFFSET(LayoutArgs, topk),
    CROSSDOCK_OFFSET(LayoutArgs, num_experts),
    CROSSDOCK_OFFSET(LayoutArgs, num_ranks),
    CROSSDOCK_OFFSET(LayoutArgs, num_local_ranks),
    CROSSDOCK_OFFSET(LayoutArgs, tokens_per_rank),
    CROSSDOCK_OFFSET(LayoutArgs, tokens_per_node),
    CROSSDOCK_OFFSET(LayoutArgs, tokens_per_expert),
    CROSSDOCK_OFFSET(LayoutArgs, token_in_rank),
};

extern "C" __constant__ const u32 layout_CastArgs[] = {
    sizeof(CastArgs),
    CROSSDOCK_OFFSET(CastArgs, x),
    CROSSDOCK_OFFSET(CastArgs, x_pitch),
    CROSSDOCK_OFFSET(CastArgs, codes),
    CROSSDOCK_OFFSET(CastArgs, codes_pitch),
    CROSSDOCK_OFFSET(CastArgs, scales),
    CROSSDOCK_OFFSET(CastArgs, scales_pitch),
    CROSSDOCK_OFFSET(CastArgs, num_tokens),
    CROSSDOCK_OFFSET(CastArgs, hidden),
    CROSSDOCK_OFFSET(CastArgs, scale_kind),
};

extern "C" __constant__ const u32 layout_CopyArgs[] = {
    sizeof(CopyArgs),
    CROSSDOCK_OFFSET(CopyArgs, from),
    CROSSDOCK_OFFSET(CopyArgs, to),
    CROSSDOCK_OFFSET(CopyArgs, num_bytes),
};

extern "C" __constant__ const u32 layout_ClockArgs[] = {
    sizeof(ClockArgs),
    CROSSDOCK_OFFSET(ClockArgs, to),
};

extern "C" __constant__ const u32 layout_BusyArgs[] = {
    sizeof(BusyArgs),
    CROSSDOCK_OFFSET(BusyArgs, num_steps),
    CROSSDOCK_OFFSET(BusyArgs, sink),
};

extern "C" __constant__ const u32 layout_LlGeometry[] = {
    sizeof(LlGeometry),
    CROSSDOCK_OFFSET(LlGeometry, hidden),
    CROSSDOCK_OFFSET(LlGeometry, num_slots),
    CROSSDOCK_OFFSET(LlGeometry, may_shrink),
    CROSSDOCK_OFFSET(LlGeometry, completed),
    CROSSDOCK_OFFSET(LlGeometry, masked_by),
    CROSSDOCK_OFFSET(LlGeometry, refusals),
    CROSSDOCK_OFFSET(LlGeometry, refusal_pitch),
    CROSSDOCK_OFFSET(LlGeometry, flags),
    CROSSDOCK_OFFSET(LlGeometry, flag_pitch),
    CROSSDOCK_OFFSET(LlGeometry, dispatch),
    CROSSDOCK_OFFSET(LlGeometry, dispatch_pitch),
    CROSSDOCK_OFFSET(LlGeometry, lane_scales),
    CROSSDOCK_OFFSET(LlGeometry, lane_sources),
    CROSSDOCK_OFFSET(LlGeometry, combine),
    CROSSDOCK_OFFSET(LlGeometry, combine_pitch),
    CROSSDOCK_OFFSET(LlGeometry, announcements),
    CROSSDOCK_OFFSET(LlGeometry, counts),
    CROSSDOCK_OFFSET(LlGeometry, counts_pitch),
    CROSSDOCK_OFFSET(LlGeometry, sent),
    CROSSDOCK_OFFSET(LlGeometry, sent_pitch),
    CROSSDOCK_OFFSET(LlGeometry, areas),
    CROSSDOCK_OFFSET(LlGeometry, area_pitch),
    CROSSDOCK_OFFSET(LlGeometry, area_scales),
    CROSSDOCK_OFFSET(LlGeometry, area_sources),
    CROSSDOCK_OFFSET(LlGeometry, area_outputs),
    CROSSDOCK_OFFSET(LlGeometry, pulled),
    CROSSDOCK_OFFSET(LlGeometry, masks),
    CROSSDOCK_OFFSET(LlGeometry, decisions),
    CROSSDOCK_OFFSET(LlGeometry, open),
    CROSSDOCK_OFFSET(LlGeometry, expert_counts),
};

extern "C" __constant__ const u32 layout_LlTerms[] = {
    sizeof(LlTerms),
    CROSSDOCK_OFFSET(LlTerms, kind),
    CROSSDOCK_OFFSET(LlTerms, format),
    CROSSDOCK_OFFSET(LlTerms, num_experts),
    CROSSDOCK_OFFSET(LlTerms, num_max_tokens),
    CROSSDOCK_OFFSET(LlTerms, handle_epoch),
};

extern "C" __constant__ const u32 layout_LlFlag[] = {
    sizeof(LlFlag),
    CROSSDOCK_OFFSET(LlFlag, epoch),
    CROSSDOCK_OFFSET(LlFlag, terms),
    CROSSDOCK_OFFSET(LlFlag, place),
};

extern "C" __constant__ const u32 layout_LlRefusal[] = {
    sizeof(LlRefusal),
    CROSSDOCK_OFFSET(LlRefusal, epoch),
    CROSSDOCK_OFFSET(LlRefusal, code),
    CROSSDOCK_OFFSET(LlRefusal, fact0),
    CROSSDOCK_OFFSET(LlRefusal, fact1),
    CROSSDOCK_OFFSET(LlRefusal, fact2),
};

extern "C" __constant__ const u32 layout_LlHandle[] = {
    sizeof(LlHandle),
    CROSSDOCK_OFFSET(LlHandle, epoch),
    CROSSDOCK_OFFSET(LlHandle, choices),
    CROSSDOCK_OFFSET(LlHandle, slots),
    CROSSDOCK_OFFSET(LlHandle, ranks),
    CROSSDOCK_OFFSET(LlHandle, rows),
    CROSSDOCK_OFFSET(LlHandle, counts),
    CROSSDOCK_OFFSET(LlHandle, direct),
    CROSSDOCK_OFFSET(LlHandle, topk),
};

extern "C" __constant__ const u32 layout_LlCall[] = {
    sizeof(LlCall),
    CROSSDOCK_OFFSET(LlCall, geometry),
    CROSSDOCK_OFFSET(LlCall, ll),
    CROSSDOCK_OFFSET(LlCall, reporting),
    CROSSDOCK_OFFSET(LlCall, terms),
    CROSSDOCK_OFFSET(LlCall, handle),
    CROSSDOCK_OFFSET(LlCall, call_epoch),
    CROSSDOCK_OFFSET(LlCall, area),
    CROSSDOCK_OFFSET(LlCall, waits),
    CROSSDOCK_OFFSET(LlCall, num_tokens),
    CROSSDOCK_OFFSET(LlCall, topk_idx),
    CROSSDOCK_OFFSET(LlCall, topk_idx_pitch),
    CROSSDOCK_OFFSET(LlCall, index_bytes),
    CROSSDOCK_OFFSET(LlCall, topk),
    CROSSDOCK_OFFSET(LlCall, num_local),
    CROSSDOCK_OFFSET(LlCall, topk_inverse),
    CROSSDOCK_OFFSET(LlCall, num_local_inverse),
    CROSSDOCK_OFFSET(LlCall, own_stay),
};

extern "C" __constant__ const u32 layout_LlRows[] = {
    sizeof(LlRows),
    CROSSDOCK_OFFSET(LlRows, x),
    CROSSDOCK_OFFSET(LlRows, x_pitch),
    CROSSDOCK_OFFSET(LlRows, piece_channels),
    CROSSDOCK_OFFSET(LlRows, num_pieces),
    CROSSDOCK_OFFSET(LlRows, num_stages),
    CROSSDOCK_OFFSET(LlRows, fetched),
};

extern "C" __constant__ const u32 layout_LlPacked[] = {
    sizeof(LlPacked),
    CROSSDOCK_OFFSET(LlPacked, rows),
    CROSSDOCK_OFFSET(LlPacked, scales),
    CROSSDOCK_OFFSET(LlPacked, recv_count),
    CROSSDOCK_OFFSET(LlPacked, src_info),
    CROSSDOCK_OFFSET(LlPacked, layout_range),
    CROSSDOCK_OFFSET(LlPacked, recv_stats),
};

extern "C" __constant__ const u32 layout_LlSums[] = {
    sizeof(LlSums),
    CROSSDOCK_OFFSET(LlSums, weights),
    CROSSDOCK_OFFSET(LlSums, weights_pitch),
    CROSSDOCK_OFFSET(LlSums, combined_x),
    CROSSDOCK_OFFSET(LlSums, combined_x_pitch),
};

extern "C" __constant__ const u32 layout_LlSendArgs[] = {
    sizeof(LlSendArgs),
    CROSSDOCK_OFFSET(LlSendArgs, call),
    CROSSDOCK_OFFSET(LlSendArgs, rows),
};

extern "C" __constant__ const u32 layout_LlPackArgs[] = {
    sizeof(LlPackArgs),
    CROSSDOCK_OFFSET(LlPackArgs, call),
    CROSSDOCK_OFFSET(LlPackArgs, packed),
};

extern "C" __constant__ const u32 layout_LlDispatchArgs[] = {
    sizeof(LlDispatchArgs),
    CROSSDOCK_OFFSET(LlDispatchArgs, call),
    CROSSDOCK_OFFSET(LlDispatchArgs, rows),
    CROSSDOCK_OFFSET(LlDispatchArgs, packed),
};

extern "C" __constant__ const u32 layout_LlReplyArgs[] = {
    sizeof(LlReplyArgs),
    CROSSDOCK_OFFSET(LlReplyArgs, call),
    CROSSDOCK_OFFSET(LlReplyArgs, y),
};

extern "C" __constant__ const u32 layout_LlSumArgs[] = {
    sizeof(LlSumArgs),
    CROSSDOCK_OFFSET(LlSumArgs, call),
    CROSSDOCK_OFFSET(LlSumArgs, sums),
};

extern "C" __constant__ const u32 layout_LlCombineArgs[] = {
    sizeof(LlCombineArgs),
    CROSSDOCK_OFFSET(LlCombineArgs, call),
    CROSSDOCK_OFFSET(LlCombineArgs, y),
    CROSSDOCK_OFFSET(LlCombineArgs, sums),
};

extern "C" __constant__ const u32 layout_LlAwaitPulledArgs[] = {
    sizeof(LlAwaitPulledArgs),
    CROSSDOCK_OFFSET(LlAwaitPulledArgs, call),
};

extern "C" __constant__ const u32 layout_LlCleanArgs[] = {
    sizeof(LlCleanArgs),
    CROSSDOCK_OFFSET(LlCleanArgs, call),
};

extern "C" __constant__ const u32 layout_LlRefuseArgs[] = {
    sizeof(LlRefuseArgs),
    CROSSDOCK_OFFSET(LlRefuseArgs, call),
    CROSSDOCK_OFFSET(LlRefuseArgs, reason),
};

#undef CROSSDOCK_OFFSET

}  // namespace crossdock
