package io.crossdock.cuda;

import java.util.List;

/// The structs of `args.cuh`, in its order.
///
/// Safe for any thread.
final class Structs {
  static final int REASON_BYTES = 512;
  static final int MAX_OUTPUT_WINDOWS = 64;

  static final Struct GEOMETRY =
      Struct.named("Geometry")
          .words("rank", "num_ranks", "timeout_nanos", "peers", "memory")
          .words("on_one_gpu", "local", "entries", "entry_pitch")
          .words("finished", "pulled", "states", "barriers", "receive", "receive_pitch")
          .words("recv_scales", "recv_topk_idx", "recv_topk_weights", "recv_source")
          .words("output", "output_pitch", "output_weights", "capacity_rows");

  static final Struct ENTRY =
      Struct.named("EntryHeader")
          .words("epoch", "kind", "window", "capacity_rows", "output_rows", "row_bytes")
          .words("scale_bytes", "topk", "index_bytes", "num_experts", "weights", "dtype")
          .words("handle_epoch", "round", "can_round", "refusal", "fact0", "fact1", "fact2");

  static final Struct OUTCOME =
      Struct.named("Outcome")
          .words("code", "peer", "phase", "expected", "seen", "waited_nanos")
          .words("fact0", "fact1", "fact2");

  static final Struct REPORT =
      Struct.named("Report")
          .words("ticket", "epoch")
          .nested("outcome", OUTCOME)
          .nested("first", ENTRY)
          .nested("culprit", ENTRY)
          .bytes("reason", REASON_BYTES);

  static final Struct REPORTING = Struct.named("Reporting").words("report", "ticket", "sticky");

  static final Struct LOCAL =
      Struct.named("LocalState")
          .words("epoch", "arrivals", "departures", "failed", "entered", "refusal_key")
          .words("barrier", "claimed")
          .nested("outcome", OUTCOME)
          .bytes("output_epochs", MAX_OUTPUT_WINDOWS * 8L);

  static final Struct HANDLE =
      Struct.named("HandlePointers").words("epoch", "prefix", "positions", "sources");

  static final Struct COUNTS = Struct.named("CountsHeader").words("ticket", "epoch");

  static final Struct ENTER =
      call("EnterArgs")
          .words("counts", "num_tokens", "topk_idx", "topk_idx_pitch", "layout_in_rank")
          .words("layout_rank_counts", "layout_expert_counts", "rank_counts", "expert_counts");

  static final Struct PLACE =
      call("PlaceArgs")
          .words("entered", "num_tokens", "x", "x_pitch", "scales", "scales_pitch")
          .words("topk_idx", "topk_idx_pitch", "topk_weights", "topk_weights_pitch")
          .words("first_row", "piece_bytes", "num_stages", "out_rows", "out_scales")
          .words("out_topk_idx", "out_topk_weights", "worst_rows")
          .words("tail_topk_idx", "tail_topk_weights");

  static final Struct COMBINE =
      call("CombineArgs")
          .words("mode", "num_tokens", "y", "y_pitch", "weights", "weights_pitch")
          .words("bias0", "bias0_pitch", "bias1", "bias1_pitch", "combined_x")
          .words("combined_x_pitch", "combined_weights", "combined_weights_pitch")
          .words("first_row", "gathered", "gathered_weights", "max_per_token");

  static final Struct REFUSE =
      Struct.named("RefuseArgs")
          .nested("geometry", GEOMETRY)
          .nested("entry", ENTRY)
          .nested("reporting", REPORTING)
          .bytes("reason", REASON_BYTES);

  static final Struct AWAIT_PULLED =
      Struct.named("AwaitPulledArgs")
          .nested("geometry", GEOMETRY)
          .nested("reporting", REPORTING)
          .words("window");

  static final Struct BARRIER =
      Struct.named("BarrierArgs").nested("geometry", GEOMETRY).nested("reporting", REPORTING);

  static final Struct LAYOUT =
      Struct.named("LayoutArgs")
          .nested("reporting", REPORTING)
          .words("scratch", "topk_idx", "topk_idx_pitch", "index_bytes", "num_tokens", "topk")
          .words("num_experts", "num_ranks", "num_local_ranks", "tokens_per_rank")
          .words("tokens_per_node", "tokens_per_expert", "token_in_rank");

  static final Struct CAST =
      Struct.named("CastArgs")
          .words("x", "x_pitch", "codes", "codes_pitch", "scales", "scales_pitch")
          .words("num_tokens", "hidden", "scale_kind");

  static final Struct COPY = Struct.named("CopyArgs").words("from", "to", "num_bytes");

  static final Struct CLOCK = Struct.named("ClockArgs").words("to");

  static final Struct BUSY = Struct.named("BusyArgs").words("num_steps", "sink");

  static final Struct LL_GEOMETRY =
      Struct.named("LlGeometry")
          .words("hidden", "num_slots", "may_shrink", "completed", "masked_by")
          .words("refusals", "refusal_pitch", "flags", "flag_pitch", "dispatch", "dispatch_pitch")
          .words("lane_scales", "lane_sources", "combine", "combine_pitch")
          .words(
              "announcements",
              "counts",
              "counts_pitch",
              "sent",
              "sent_pitch",
              "areas",
              "area_pitch")
          .words("area_scales", "area_sources", "area_outputs")
          .words("pulled", "masks", "decisions", "open", "expert_counts");

  static final Struct LL_TERMS =
      Struct.named("LlTerms")
          .words("kind", "format", "num_experts", "num_max_tokens", "handle_epoch");

  static final Struct LL_FLAG =
      Struct.named("LlFlag").words("epoch").nested("terms", LL_TERMS).words("place");

  static final Struct LL_REFUSAL =
      Struct.named("LlRefusal").words("epoch", "code", "fact0", "fact1", "fact2");

  static final Struct LL_HANDLE =
      Struct.named("LlHandle")
          .words("epoch", "choices", "slots", "ranks", "rows", "counts", "direct", "topk");

  static final Struct LL_CALL =
      Struct.named("LlCall")
          .nested("geometry", GEOMETRY)
          .nested("ll", LL_GEOMETRY)
          .nested("reporting", REPORTING)
          .nested("terms", LL_TERMS)
          .nested("handle", LL_HANDLE)
          .words("call_epoch", "area", "waits")
          .words("num_tokens", "topk_idx", "topk_idx_pitch", "index_bytes", "topk")
          .words("num_local", "topk_inverse", "num_local_inverse", "own_stay");

  static final Struct LL_ROWS =
      Struct.named("LlRows")
          .words("x", "x_pitch", "piece_channels", "num_pieces", "num_stages", "fetched");

  static final Struct LL_PACKED =
      Struct.named("LlPacked")
          .words("rows", "scales", "recv_count", "src_info", "layout_range", "recv_stats");

  static final Struct LL_SUMS =
      Struct.named("LlSums").words("weights", "weights_pitch", "combined_x", "combined_x_pitch");

  static final Struct LL_SEND = lowLatency("LlSendArgs").nested("rows", LL_ROWS);

  static final Struct LL_PACK = lowLatency("LlPackArgs").nested("packed", LL_PACKED);

  static final Struct LL_DISPATCH =
      lowLatency("LlDispatchArgs").nested("rows", LL_ROWS).nested("packed", LL_PACKED);

  static final Struct LL_REPLY = lowLatency("LlReplyArgs").words("y");

  static final Struct LL_SUM = lowLatency("LlSumArgs").nested("sums", LL_SUMS);

  static final Struct LL_COMBINE = lowLatency("LlCombineArgs").words("y").nested("sums", LL_SUMS);

  static final Struct LL_AWAIT_PULLED = lowLatency("LlAwaitPulledArgs");

  static final Struct LL_CLEAN = lowLatency("LlCleanArgs");

  static final Struct LL_REFUSE = lowLatency("LlRefuseArgs").bytes("reason", REASON_BYTES);

  static final List<Struct> ALL =
      List.of(
          GEOMETRY,
          ENTRY,
          OUTCOME,
          REPORT,
          REPORTING,
          LOCAL,
          HANDLE,
          COUNTS,
          ENTER,
          PLACE,
          COMBINE,
          REFUSE,
          AWAIT_PULLED,
          BARRIER,
          LAYOUT,
          CAST,
          COPY,
          BUSY,
          CLOCK,
          LL_GEOMETRY,
          LL_TERMS,
          LL_FLAG,
          LL_REFUSAL,
          LL_HANDLE,
          LL_CALL,
          LL_ROWS,
          LL_PACKED,
          LL_SUMS,
          LL_SEND,
          LL_PACK,
          LL_DISPATCH,
          LL_REPLY,
          LL_SUM,
          LL_COMBINE,
          LL_AWAIT_PULLED,
          LL_CLEAN,
          LL_REFUSE);

  private Structs() {}

  private static Struct lowLatency(String name) {
    return Struct.named(name).nested("call", LL_CALL);
  }

  /// What the arguments of all calls along a handle begin with.
  private static Struct call(String name) {
    return Struct.named(name)
        .nested("geometry", GEOMETRY)
        .nested("entry", ENTRY)
        .nested("handle", HANDLE)
        .nested("reporting", REPORTING);
  }
}
