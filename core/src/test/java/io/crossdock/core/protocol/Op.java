package io.crossdock.core.protocol;

/// What a thread of a rank does next.
sealed interface Op {
  /// Makes a call and waits for its end.
  record Make(Call call) implements Op {}

  /// Makes a call that the communication stream carries out.
  record Submit(Call call) implements Op {}

  /// Carries out a submitted call, on the communication stream.
  record Run(Call call) implements Op {}

  /// Waits for a call and, of a dispatch whose lease still lives, checks every row.
  record Read(Call call) implements Op {}

  /// Closes the result of a dispatch.
  record Close(Call call) implements Op {}

  /// Asks for an expert-output buffer for the rows of a dispatch.
  record Lend(int buffer, Call dispatch) implements Op {}

  /// Writes all rows of an expert-output buffer, if its lease still lives.
  record Fill(int buffer, Call dispatch) implements Op {}

  /// Closes an expert-output buffer.
  record CloseLent(int buffer) implements Op {}

  /// Makes an aborted buffer usable again. Collective.
  record Reset() implements Op {}

  /// Closes the communication buffer; nothing follows.
  record Leave() implements Op {}

  /// {@return the call to be made or carried out, or null}
  default Call made() {
    return switch (this) {
      case Make make -> make.call;
      case Submit submit -> submit.call;
      case Run run -> run.call;
      default -> null;
    };
  }
}
