package io.crossdock.ucx;

/// How bytes come into a peer's region.
///
/// Safe for any thread.
enum PutsKind {
  /// A message brings them, and the peer's own thread checks it and stores them.
  MESSAGES("messages"),

  /// The network stores them, without the peer's help.
  RMA("rma");

  private final String word;

  PutsKind(String word) {
    this.word = word;
  }

  /// The word of the property.
  String word() {
    return word;
  }

  boolean isRma() {
    return this == RMA;
  }
}
