package io.crossdock.cuda;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.crossdock.core.AbortedException;
import io.crossdock.core.CollectiveMismatchException;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.LeaseException;
import io.crossdock.core.MaskedException;
import io.crossdock.core.PeerLeftException;
import io.crossdock.core.WaitTimeoutException;
import io.crossdock.core.protocol.CallKind;
import io.crossdock.core.protocol.Entry;
import io.crossdock.core.protocol.Failures;
import io.crossdock.core.protocol.LowLatencyKind;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;

/// Turns reports of kernels into what their calls throw.
///
/// Safe for any thread.
final class Verdicts {
  // Ordinals of OutcomeCode in args.cuh.
  static final long PROCEED = 0;
  static final long REFUSED = 1;
  static final long MISMATCH = 2;
  static final long OVER_CAPACITY = 3;
  static final long TIMEOUT = 4;
  static final long PEER_LEFT = 5;
  static final long PEER_ABORTED = 6;
  static final long UNUSABLE = 7;
  private static final long MASKED_OUT = 8;
  private static final long HOOK_PENDING = 9;

  // Ordinals of Refusal in args.cuh.
  private static final long TEXT = 0;
  private static final long OUT_OF_RANGE = 1;
  private static final long REPEATED = 2;
  private static final long NOT_DISPATCHED = 4;

  private static final String[] PHASES = {
    "ENTER", "FINISH", "PULL", "BARRIER", "GRANT", "RECEIVE", "ANNOUNCE"
  };

  /// Its words carry an epoch in their upper bits: `kTagShift` of ll_plan.cuh.
  private static final long ANNOUNCE_PHASE = 6;

  private static final int TAG_SHIFT = 18;

  /// From here on phases are those of low-latency mode.
  private static final long GRANT_PHASE = 4;

  /// Where a report has its outcome.
  static final long CODE = outcome("code");

  /// Where a report has the epoch of its call.
  static final long EPOCH = Structs.REPORT.offset("epoch");

  private static final long PEER = outcome("peer");
  private static final long PHASE = outcome("phase");
  private static final long EXPECTED = outcome("expected");
  private static final long SEEN = outcome("seen");
  private static final long WAITED = outcome("waited_nanos");
  private static final long FACT0 = outcome("fact0");
  private static final long FACT1 = outcome("fact1");
  private static final long FACT2 = outcome("fact2");
  private static final long FIRST = Structs.REPORT.offset("first");
  private static final long CULPRIT = Structs.REPORT.offset("culprit");
  private static final long REASON = Structs.REPORT.offset("reason");

  private Verdicts() {}

  private static long outcome(String field) {
    return Structs.REPORT.offset("outcome") + Structs.OUTCOME.offset(field);
  }

  static long code(MemorySegment report) {
    return report.get(JAVA_LONG, CODE);
  }

  static int peer(MemorySegment report) {
    return (int) report.get(JAVA_LONG, PEER);
  }

  /// True if no call can be made any more until the buffer is reset.
  static boolean isFinal(long code) {
    return code >= TIMEOUT && code <= UNUSABLE;
  }

  /// What a call throws that every rank left in order.
  static RuntimeException orderly(MemorySegment report, int rank) {
    int peer = peer(report);
    return switch ((int) code(report)) {
      case (int) REFUSED -> refused(report, peer, rank);
      case (int) MISMATCH -> mismatch(report, peer, rank);
      case (int) MASKED_OUT -> new MaskedException(rank, peer);
      case (int) HOOK_PENDING ->
          new LeaseException(
              "a hook of an earlier call did not run: rank="
                  + rank
                  + ", epoch="
                  + report.get(JAVA_LONG, SEEN)
                  + ", nextEpoch="
                  + report.get(JAVA_LONG, EXPECTED)
                  + ", remedy=run it first; at most two calls may be pending");
      default ->
          Failures.overCapacity(
              peer,
              report.get(JAVA_LONG, FACT0),
              report.get(JAVA_LONG, FACT1),
              report.get(JAVA_LONG, FACT2));
    };
  }

  private static CollectiveMismatchException mismatch(MemorySegment report, int peer, int rank) {
    if (report.get(JAVA_LONG, PHASE) < GRANT_PHASE) {
      return Failures.mismatch(entry(report, FIRST), peer, entry(report, CULPRIT));
    }
    return new CollectiveMismatchException(
        "ranks made different calls: rank="
            + rank
            + ", peer="
            + peer
            + ", call="
            + LowLatencyKind.of((int) report.get(JAVA_LONG, FACT0))
            + ", peerCall="
            + LowLatencyKind.of((int) report.get(JAVA_LONG, FACT1))
            + ", or their formats or sizes differ");
  }

  /// What a call throws that takes the buffer down.
  ///
  /// @param reason of the rank that aborted; empty if this rank did
  static RuntimeException aborting(MemorySegment report, int rank, String reason) {
    int peer = peer(report);
    return switch ((int) code(report)) {
      case (int) TIMEOUT -> new WaitTimeoutException(facts(report, rank));
      case (int) PEER_LEFT ->
          new PeerLeftException(
              "peer left during a call: rank=" + rank + ", peer=" + peer + wait(report));
      case (int) PEER_ABORTED -> new AbortedException(peer, reason);
      default -> Failures.unusable(peer, reason);
    };
  }

  /// What a call throws that waited for a process that is no more.
  static PeerLeftException died(MemorySegment report, int rank, long pid) {
    return new PeerLeftException(
        "peer process died: rank="
            + rank
            + ", peer="
            + peer(report)
            + ", pid="
            + pid
            + wait(report));
  }

  private static String wait(MemorySegment report) {
    return ", phase="
        + PHASES[(int) report.get(JAVA_LONG, PHASE)]
        + ", expected="
        + epoch(report, EXPECTED)
        + ", seen="
        + epoch(report, SEEN);
  }

  private static long epoch(MemorySegment report, long field) {
    long word = report.get(JAVA_LONG, field);
    return report.get(JAVA_LONG, PHASE) == ANNOUNCE_PHASE ? word >>> TAG_SHIFT : word;
  }

  private static WaitTimeoutException.Facts facts(MemorySegment report, int rank) {
    return new WaitTimeoutException.Facts(
        rank,
        peer(report),
        PHASES[(int) report.get(JAVA_LONG, PHASE)],
        epoch(report, EXPECTED),
        epoch(report, SEEN),
        report.get(JAVA_LONG, WAITED));
  }

  private static RuntimeException refused(MemorySegment report, int peer, int rank) {
    if (word(report, CULPRIT, "refusal") == TEXT) {
      return Failures.refused(peer, text(report.asSlice(REASON, Structs.REASON_BYTES)));
    }
    long numExperts = word(report, CULPRIT, "num_experts");
    InvalidInputException wrong = wrongInput(report, numExperts);
    return peer == rank ? wrong : Failures.refused(peer, wrong.getMessage());
  }

  /// What a kernel found wrong with the choices or the layout.
  ///
  /// @param report whose culprit has the facts
  /// @param numExperts E
  static InvalidInputException wrongInput(MemorySegment report, long numExperts) {
    long fact0 = word(report, CULPRIT, "fact0");
    long fact1 = word(report, CULPRIT, "fact1");
    long fact2 = word(report, CULPRIT, "fact2");
    return switch ((int) word(report, CULPRIT, "refusal")) {
      case (int) OUT_OF_RANGE -> Failures.expertOutOfRange(fact0, fact1, fact2, numExperts);
      case (int) REPEATED -> Failures.expertRepeated(fact0, fact1);
      case (int) NOT_DISPATCHED -> Failures.notDispatched(fact0, fact1, fact2);
      default -> Failures.foreignLayout(fact0, fact1, fact2);
    };
  }

  private static long word(MemorySegment report, long header, String field) {
    return report.get(JAVA_LONG, header + Structs.ENTRY.offset(field));
  }

  private static Entry entry(MemorySegment report, long header) {
    Entry entry = new Entry(0, 0);
    entry.kind = CallKind.of((int) word(report, header, "kind"));
    entry.rowBytes = word(report, header, "row_bytes");
    entry.scaleBytes = word(report, header, "scale_bytes");
    entry.topk = (int) word(report, header, "topk");
    entry.indexBytes = (int) word(report, header, "index_bytes");
    entry.numExperts = (int) word(report, header, "num_experts");
    entry.weights = (int) word(report, header, "weights");
    entry.dtype = (int) word(report, header, "dtype");
    entry.handleEpoch = word(report, header, "handle_epoch");
    entry.round = (int) word(report, header, "round");
    return entry;
  }

  /// Reads text that ends with a zero byte or with its memory.
  static String text(MemorySegment bytes) {
    int length = 0;
    while (length < bytes.byteSize() && bytes.get(JAVA_BYTE, length) != 0) {
      length++;
    }
    return new String(bytes.asSlice(0, length).toArray(JAVA_BYTE), StandardCharsets.UTF_8);
  }

  /// Writes text, cut to the memory, with zero bytes behind it.
  static void putText(MemorySegment bytes, String text) {
    byte[] encoded = text.getBytes(StandardCharsets.UTF_8);
    int length = (int) Math.min(encoded.length, bytes.byteSize());
    bytes.fill((byte) 0);
    MemorySegment.copy(encoded, 0, bytes, JAVA_BYTE, 0, length);
  }
}
