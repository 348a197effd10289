package io.crossdock.cli;

/// What a benchmark times. An engine has some of them; reports list them in this order.
///
/// Safe for any thread.
enum BenchPhase {
  /// Dispatch along an earlier one, rows stay in the window.
  DISPATCH_CACHED_BORROWED(Kind.DISPATCH, "dispatch_cached", "dispatch, cached, borrowed"),
  /// Dispatch along an earlier one, rows copied out.
  DISPATCH_CACHED_OWNED(Kind.DISPATCH, "dispatch_cached_owned", "dispatch, cached, owned"),
  /// A cached dispatch that was recorded, borrowed.
  DISPATCH_RECORDED(Kind.DISPATCH, "dispatch_recorded", "dispatch, cached, in a graph"),
  /// Fresh dispatch, rows stay in the window.
  DISPATCH_BORROWED(Kind.DISPATCH, "dispatch_borrowed", "dispatch, borrowed"),
  /// The same with the layout computed in front.
  DISPATCH_WITH_LAYOUT(Kind.DISPATCH, "dispatch_with_layout", "dispatch, borrowed, with layout"),
  /// Fresh dispatch, rows copied out.
  DISPATCH_OWNED(Kind.DISPATCH, "dispatch_owned", "dispatch, owned"),
  /// Combine of rows that lie in the combine buffer.
  COMBINE_ZERO_COPY(Kind.COMBINE, "combine_zero_copy", "combine, zero-copy"),
  /// Combine of rows elsewhere.
  COMBINE_STAGED(Kind.COMBINE, "combine_staged", "combine, staged"),
  /// A staged combine that was recorded.
  COMBINE_RECORDED(Kind.COMBINE, "combine_recorded", "combine, staged, in a graph"),
  /// Plain copy of as many bytes as a dispatch moves.
  COPY_DISPATCH(Kind.COPY, "copy_dispatch", "copy, dispatch size"),
  /// Plain copy of as many bytes as a combine moves.
  COPY_COMBINE(Kind.COPY, "copy_combine", "copy, combine size");

  /// Kinds of phases.
  ///
  /// Safe for any thread.
  enum Kind {
    /// Rows go to their experts.
    DISPATCH,
    /// Rows come home.
    COMBINE,
    /// The yard-stick.
    COPY
  }

  final Kind kind;
  final String key;
  final String label;

  BenchPhase(Kind kind, String key, String label) {
    this.kind = kind;
    this.key = key;
    this.label = label;
  }
}
