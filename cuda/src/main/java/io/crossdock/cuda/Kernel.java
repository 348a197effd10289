package io.crossdock.cuda;

/// The kernels of the image, with their only parameter.
///
/// Safe for any thread.
enum Kernel {
  COUNT_LAYOUT("count_layout", Structs.LAYOUT),
  ENTER_DISPATCH("enter_dispatch", Structs.ENTER),
  PLACE_ROWS("place_rows", Structs.PLACE),
  COMBINE_ROWS("combine_rows", Structs.COMBINE),
  REFUSE_CALL("refuse_call", Structs.REFUSE),
  AWAIT_PULLED("await_pulled", Structs.AWAIT_PULLED),
  SYNC_RANKS("sync_ranks", Structs.BARRIER),
  CAST_FP8("cast_fp8", Structs.CAST),
  COPY_BYTES("copy_bytes", Structs.COPY),
  BUSY_WORK("busy_work", Structs.BUSY),
  READ_CLOCK("read_clock", Structs.CLOCK),
  LL_SEND("ll_send", Structs.LL_SEND),
  LL_PACK("ll_pack", Structs.LL_PACK),
  LL_DISPATCH("ll_dispatch", Structs.LL_DISPATCH),
  LL_REPLY("ll_reply", Structs.LL_REPLY),
  LL_MOVE_OWN("ll_move_own", Structs.LL_REPLY),
  LL_SUM("ll_sum", Structs.LL_SUM),
  LL_COMBINE("ll_combine", Structs.LL_COMBINE),
  LL_COMBINE_IN_PLACE("ll_combine_in_place", Structs.LL_COMBINE),
  LL_AWAIT_PULLED("ll_await_pulled", Structs.LL_AWAIT_PULLED),
  LL_CLEAN("ll_clean", Structs.LL_CLEAN),
  LL_REFUSE("ll_refuse", Structs.LL_REFUSE);

  final String entryPoint;

  @SuppressWarnings("ImmutableEnumChecker") // Built before, never changed.
  final Struct args;

  private final boolean lowLatency;

  Kernel(String entryPoint, Struct args) {
    this.entryPoint = entryPoint;
    this.args = args;
    this.lowLatency = args.fields().contains("call");
  }

  /// True if it belongs to low-latency mode.
  boolean isLowLatency() {
    return lowLatency;
  }
}
