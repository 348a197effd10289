package io.crossdock.core.group;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;

/// The one reason why a group ended, in a form that travels to every member and becomes there an
/// exception that also names the member that throws it.
///
/// Safe for any thread.
///
/// @param kind which exception it becomes
/// @param ranks the ranks it is about
/// @param text what failed, then `key=value` facts
/// @param reason the reason of an abort, else empty
record GroupFailure(Kind kind, List<Integer> ranks, String text, String reason) {
  /// Longest text that travels, in characters; three bytes of UTF-8 each fit into one string of
  /// `DataOutput`.
  private static final int MAX_TEXT_CHARS = 16_000;

  /// Longest reason of an abort, in characters.
  private static final int MAX_REASON_CHARS = 1000;

  /// The exception that a failure becomes.
  enum Kind {
    MISSING,
    LOST,
    ABORTED,
    VERSION,
    CONFIG,
    MISMATCH
  }

  GroupFailure {
    ranks = List.copyOf(ranks);
    text = cut(text, MAX_TEXT_CHARS);
    reason = cut(reason, MAX_REASON_CHARS);
  }

  static GroupFailure missing(List<Integer> missing, String facts) {
    String list = missing.toString().replace(" ", "");
    return new GroupFailure(
        Kind.MISSING, missing, "ranks never arrived: missing=" + list + ", " + facts, "");
  }

  static GroupFailure lost(int peer, GroupPhase phase, String cause) {
    String text = "peer lost: peer=" + peer + ", phase=" + phase + ", cause=" + cause;
    return new GroupFailure(Kind.LOST, List.of(peer), text, "");
  }

  static GroupFailure aborted(int peer, String reason) {
    String kept = cut(reason, MAX_REASON_CHARS);
    String text = "group aborted: peer=" + peer + ", reason=" + kept;
    return new GroupFailure(Kind.ABORTED, List.of(peer), text, kept);
  }

  static GroupFailure version(int peer, int peerVersion, int hostVersion) {
    String text =
        "protocol versions differ: peer=%d, peerVersion=%d, host=0, hostVersion=%d"
            .formatted(peer, peerVersion, hostVersion);
    return new GroupFailure(Kind.VERSION, List.of(peer), text, "");
  }

  static GroupFailure of(Kind kind, int peer, String text) {
    return new GroupFailure(kind, List.of(peer), text, "");
  }

  /// A fresh exception for the member that throws it.
  GroupException toException(int rank) {
    String message = text + ", rank=" + rank;
    return switch (kind) {
      case MISSING -> new PeerMissingException(message, ranks);
      case LOST -> new PeerLostException(message, ranks.getFirst());
      case ABORTED -> new GroupAbortedException(message, ranks.getFirst(), reason);
      case VERSION -> new GroupVersionException(message);
      case CONFIG -> new GroupConfigException(message);
      case MISMATCH -> new GroupMismatchException(message);
    };
  }

  byte[] encode() {
    var bytes = new ByteArrayOutputStream();
    try (var out = new DataOutputStream(bytes)) {
      out.writeByte(kind.ordinal());
      out.writeInt(ranks.size());
      for (int rank : ranks) {
        out.writeInt(rank);
      }
      out.writeUTF(text);
      out.writeUTF(reason);
    } catch (IOException e) {
      throw new UncheckedIOException("a byte array stream does not fail", e);
    }
    return bytes.toByteArray();
  }

  /// Reads what [#encode] wrote.
  ///
  /// @throws IOException when the bytes are no failure
  static GroupFailure decode(byte[] bytes) throws IOException {
    try (var in = new DataInputStream(new ByteArrayInputStream(bytes))) {
      int kindIndex = in.readUnsignedByte();
      int numRanks = in.readInt();
      boolean fits = numRanks >= 1 && numRanks <= bytes.length / Integer.BYTES;
      if (kindIndex >= Kind.values().length || !fits) {
        throw new IOException("not a failure: kind=" + kindIndex + ", ranks=" + numRanks);
      }
      var ranks = new ArrayList<Integer>(numRanks);
      for (int i = 0; i < numRanks; i++) {
        ranks.add(in.readInt());
      }
      return new GroupFailure(Kind.values()[kindIndex], ranks, in.readUTF(), in.readUTF());
    }
  }

  private static String cut(String text, int maxChars) {
    return text.length() <= maxChars ? text : text.substring(0, maxChars);
  }
}
