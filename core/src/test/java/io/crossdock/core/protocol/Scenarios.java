package io.crossdock.core.protocol;

import static io.crossdock.core.protocol.Scenario.NOTHING;
import static io.crossdock.core.protocol.Scenario.NUM_RANKS;
import static io.crossdock.core.protocol.Scenario.RING;
import static io.crossdock.core.protocol.Scenario.SKEWED;
import static io.crossdock.core.protocol.Scenario.TO_ALL;

import io.crossdock.core.protocol.Op.Close;
import io.crossdock.core.protocol.Op.CloseLent;
import io.crossdock.core.protocol.Op.Fill;
import io.crossdock.core.protocol.Op.Leave;
import io.crossdock.core.protocol.Op.Lend;
import io.crossdock.core.protocol.Op.Make;
import io.crossdock.core.protocol.Op.Read;
import io.crossdock.core.protocol.Op.Reset;
import io.crossdock.core.protocol.Op.Submit;
import java.util.List;

/// Short scenarios that together go through every rule of the protocol.
final class Scenarios {
  private Scenarios() {}

  static List<Scenario> all() {
    return List.of(
        calls(),
        empty(),
        manyCombines(),
        zeroCopy(),
        refusals(),
        refusedLate(),
        leaseHeldOnOneRank(),
        outputsAllHandedOut(),
        refusedZeroCopy(),
        mismatch(),
        rounds(),
        roundsFromBuffer(),
        overCapacity(),
        timeOutInDispatch(),
        timeOutInCombine(),
        timeOutAfterRefusal(),
        timeOutInRounds(),
        staleLease(),
        brokenDispatch(),
        brokenCombine(),
        neverComes(),
        leaves(),
        leavesInTurn(),
        resetUnasked(),
        streamAndCloser(),
        streamAndEarlyClose(),
        streamRefused(),
        streamRefusedLate(),
        streamTimeOut());
  }

  private static Scenario scenario(String name) {
    return new Scenario(name, 2, 2, 3);
  }

  static Scenario calls() {
    Scenario s = scenario("fresh, cached, combine");
    Call fresh = s.fresh(TO_ALL);
    Call cached = s.cached(fresh);
    Call combine = s.combine(fresh);
    return s.all(make(fresh), read(fresh), make(cached), close(fresh), make(combine))
        .all(make(s.fresh(RING)), read(cached), close(cached));
  }

  static Scenario empty() {
    Scenario s = scenario("nobody sends anything");
    Call fresh = s.fresh(NOTHING);
    Call combine = s.combine(fresh);
    Call again = s.fresh(RING);
    return s.all(make(fresh), make(combine), close(fresh), make(again), read(again));
  }

  static Scenario manyCombines() {
    Scenario s = new Scenario("combines through one window", 1, 1, 3);
    Call fresh = s.fresh(SKEWED);
    return s.all(make(fresh), make(s.combine(fresh)), make(s.combine(fresh)))
        .all(make(s.combine(fresh)), read(fresh), close(fresh));
  }

  static Scenario zeroCopy() {
    Scenario s = new Scenario("zero-copy combines through one window", 1, 1, 3);
    Call fresh = s.fresh(SKEWED);
    return s.all(make(fresh), new Lend(0, fresh), fill(0, fresh), make(s.combine(fresh).from(0)))
        .all(new Lend(1, fresh), fill(1, fresh), make(s.combine(fresh).from(1)), new CloseLent(1));
  }

  static Scenario refusals() {
    Scenario s = scenario("refusals in a row");
    Call fresh = s.fresh(RING);
    return s.all(make(s.fresh(RING).invalidOn(1)), make(fresh), make(s.cached(fresh).invalidOn(0)))
        .all(make(s.combine(fresh).invalidOn(0)), make(s.combine(fresh).invalidOn(2)))
        .all(make(s.combine(fresh)), read(fresh));
  }

  static Scenario refusedLate() {
    Scenario s = new Scenario("refused when the window is taken", 1, 1, 3);
    Call fresh = s.fresh(TO_ALL);
    return s.all(make(s.fresh(TO_ALL).invalidLateOn(2)), make(s.fresh(RING).invalidLateOn(2)))
        .all(make(fresh), read(fresh), close(fresh));
  }

  static Scenario leaseHeldOnOneRank() {
    Scenario s = scenario("leases held on one rank");
    Call first = s.fresh(RING);
    Call second = s.fresh(TO_ALL);
    Call third = s.fresh(RING).refusedBy(1, Outcome.LEASE);
    Call fourth = s.fresh(TO_ALL);
    s.all(make(first), make(second)).rank(0, close(first)).rank(2, close(second));
    return s.all(make(third), read(first), close(first), make(fourth), read(second), read(fourth));
  }

  static Scenario outputsAllHandedOut() {
    Scenario s = new Scenario("every output window handed out on one rank", 1, 1, 3);
    Call fresh = s.fresh(RING);
    Call refused = s.combine(fresh).refusedBy(0, Outcome.LEASE);
    s.all(make(fresh)).rank(0, new Lend(0, fresh), fill(0, fresh)).all(make(refused));
    return s.rank(0, new CloseLent(0)).all(make(s.combine(fresh)));
  }

  static Scenario refusedZeroCopy() {
    Scenario s = new Scenario("a refused combine gives its buffer back", 1, 1, 3);
    Call fresh = s.fresh(RING);
    Call refused = s.combine(fresh).from(0, 0).from(1, 0).invalidOn(2);
    Call retried = s.combine(fresh).from(0, 0);
    s.all(make(fresh)).rank(0, new Lend(0, fresh), fill(0, fresh));
    s.rank(1, new Lend(0, fresh), fill(0, fresh)).all(make(refused)).rank(1, new CloseLent(0));
    return s.rank(0, fill(0, fresh)).all(make(retried), make(s.combine(fresh)));
  }

  static Scenario mismatch() {
    Scenario s = scenario("different calls");
    Call fresh = s.fresh(RING);
    Call combine = s.combine(fresh).mayEnd(Outcome.MISMATCH);
    Call cached = s.cached(fresh).mayEnd(Outcome.MISMATCH);
    s.all(make(fresh)).rank(0, make(combine)).rank(1, make(cached)).rank(2, make(cached));
    return s.all(read(fresh), make(s.combine(fresh)));
  }

  static Scenario rounds() {
    Scenario s = new Scenario("rounds", 1, 1, 2);
    Call fresh = s.fresh(SKEWED).owned();
    return s.all(make(fresh), make(s.combine(fresh)), make(s.cached(fresh).owned()));
  }

  static Scenario roundsFromBuffer() {
    Scenario s = new Scenario("rounds from a handed-out buffer", 1, 1, 1);
    Call fresh = s.fresh(SKEWED).owned();
    Call combine = s.combine(fresh).from(1, 0).from(2, 0);
    s.all(make(fresh));
    s.rank(1, new Lend(0, fresh), fill(0, fresh)).rank(2, new Lend(0, fresh), fill(0, fresh));
    return s.all(make(combine), make(s.combine(fresh)));
  }

  static Scenario overCapacity() {
    Scenario s = new Scenario("more rows than fit", 1, 1, 2);
    Call fresh = s.fresh(RING);
    return s.all(make(s.fresh(SKEWED).mayEnd(Outcome.CAPACITY)), make(fresh), read(fresh));
  }

  static Scenario timeOutInDispatch() {
    Scenario s = new Scenario("time-out in a dispatch", 1, 1, 3);
    Call late = s.fresh(RING).givenUpBy(0, 1);
    Call again = s.fresh(SKEWED);
    return s.all(make(late), read(late), new Reset(), make(again), read(again), close(again));
  }

  static Scenario timeOutInCombine() {
    Scenario s = new Scenario("time-out in a zero-copy combine", 1, 1, 3);
    Call fresh = s.fresh(RING).mayEnd(Outcome.OK, Outcome.ABORTED);
    Call late = s.combine(fresh).from(0, 0).givenUpBy(0);
    Call after = s.fresh(SKEWED);
    s.all(make(fresh)).rank(0, new Lend(0, fresh), fill(0, fresh)).all(make(late));
    s.rank(0, fill(0, fresh)).all(new Reset(), make(after)).rank(0, new Lend(1, after));
    return s.rank(0, fill(1, after)).all(make(s.combine(after).from(0, 1)));
  }

  static Scenario timeOutAfterRefusal() {
    Scenario s = new Scenario("time-out while a refusal is still unseen", 1, 1, 3);
    Call refused =
        s.fresh(RING).mayEnd(Outcome.INVALID, Outcome.REFUSED, Outcome.ABORTED, Outcome.CLOSED);
    refused.invalid[0] = true;
    Call late = s.fresh(RING).givenUpBy(0);
    Call again = s.fresh(RING);
    return s.all(make(refused), make(late), new Reset(), make(again), read(again));
  }

  static Scenario timeOutInRounds() {
    Scenario s = new Scenario("time-out in rounds", 1, 1, 2);
    Call late = s.fresh(SKEWED).owned().givenUpBy(1);
    Call again = s.fresh(RING);
    return s.all(make(late), new Reset(), make(again), read(again));
  }

  static Scenario staleLease() {
    Scenario s = new Scenario("a lease from before a reset", 2, 1, 3);
    Call before = s.fresh(RING).mayEnd(Outcome.OK, Outcome.ABORTED);
    Call late = s.combine(before).givenUpBy(2);
    Call after = s.fresh(SKEWED);
    return s.all(make(before), make(late), new Reset(), make(after), close(before))
        .all(make(s.fresh(RING)), read(after), close(after));
  }

  static Scenario brokenDispatch() {
    Scenario s = new Scenario("a dispatch breaks between two rows", 1, 1, 3);
    Call broken = s.fresh(TO_ALL).brokenBy(1);
    Call again = s.fresh(RING);
    return s.all(make(broken), read(broken), new Reset(), make(again), read(again));
  }

  static Scenario brokenCombine() {
    Scenario s = new Scenario("a combine breaks between two rows", 1, 1, 3);
    Call fresh = s.fresh(RING).mayEnd(Outcome.OK, Outcome.ABORTED);
    Call broken = s.combine(fresh).brokenBy(2);
    Call after = s.fresh(RING);
    return s.all(make(fresh), make(broken), new Reset(), make(after), make(s.combine(after)));
  }

  static Scenario neverComes() {
    Scenario s = scenario("a rank never comes");
    Call late =
        s.fresh(RING).givenUpBy(0, 1).mayEnd(Outcome.TIMED_OUT, Outcome.ABORTED, Outcome.CLOSED);
    Call after = s.fresh(RING).mayEnd(Outcome.CLOSED);
    return s.rank(0, make(late), make(after)).rank(1, make(late), make(after));
  }

  static Scenario leaves() {
    Scenario s = scenario("a rank leaves");
    Call fresh = s.fresh(TO_ALL).mayEnd(Outcome.OK, Outcome.ABORTED);
    Call after = s.combine(fresh).mayEnd(Outcome.PEER_LEFT, Outcome.ABORTED, Outcome.CLOSED);
    Call later = s.fresh(RING).mayEnd(Outcome.CLOSED);
    s.all(make(fresh)).rank(2, new Leave());
    return s.rank(0, make(after), make(later)).rank(1, make(after), make(later));
  }

  static Scenario leavesInTurn() {
    Scenario s = scenario("every rank leaves when it is done");
    Call fresh = s.fresh(RING);
    return s.all(make(fresh), make(s.combine(fresh)), read(fresh), close(fresh), new Leave());
  }

  static Scenario resetUnasked() {
    Scenario s = new Scenario("reset without an abort", 1, 1, 3);
    Call before = s.fresh(RING);
    Call after = s.fresh(SKEWED);
    return s.all(make(s.fresh(RING).invalidOn(0)), make(before), make(s.combine(before)))
        .all(new Reset(), make(after), close(before), read(after), make(s.combine(after)));
  }

  static Scenario streamAndCloser() {
    Scenario s = scenario("results closed while the stream runs");
    Call first = s.fresh(RING);
    Call second = s.fresh(SKEWED);
    Call third = s.fresh(RING);
    s.rank(0, submit(first), submit(second), read(first), close(first), submit(third));
    s.rank(0, read(second), close(second), read(third), close(third));
    for (int rank = 1; rank < NUM_RANKS; rank++) {
      s.rank(rank, make(first), make(second), close(first), make(third));
    }
    return s;
  }

  static Scenario streamAndEarlyClose() {
    Scenario s = new Scenario("a buffer closed while the stream runs", 1, 2, 3);
    Call fresh = s.fresh(RING);
    Call staged = s.combine(fresh);
    Call combine = s.combine(fresh).from(0, 0);
    s.all(make(fresh)).rank(0, new Lend(0, fresh), fill(0, fresh), submit(staged));
    s.rank(0, submit(combine), new CloseLent(0), new Lend(1, fresh), fill(1, fresh));
    return s.rank(1, make(staged), make(combine)).rank(2, make(staged), make(combine));
  }

  static Scenario streamRefused() {
    Scenario s = new Scenario("a buffer closed while its combine is refused", 1, 1, 3);
    Call fresh = s.fresh(RING);
    Call refused = s.combine(fresh).from(0, 0).invalidOn(1);
    Call again = s.combine(fresh).from(0, 1);
    s.all(make(fresh)).rank(0, new Lend(0, fresh), fill(0, fresh), submit(refused));
    s.rank(0, new CloseLent(0), new Lend(1, fresh), fill(1, fresh), make(again));
    return s.rank(1, make(refused), make(again)).rank(2, make(refused), make(again));
  }

  static Scenario streamRefusedLate() {
    Scenario s = new Scenario("a buffer closed before its combine is refused late", 1, 1, 3);
    Call fresh = s.fresh(RING);
    Call refused = s.combine(fresh).from(0, 0).invalidLateOn(0);
    Call again = s.combine(fresh).from(0, 1);
    s.all(make(fresh)).rank(0, new Lend(0, fresh), fill(0, fresh), submit(refused));
    s.rank(0, new CloseLent(0), new Lend(1, fresh), fill(1, fresh), make(again));
    return s.rank(1, make(refused), make(again)).rank(2, make(refused), make(again));
  }

  static Scenario streamTimeOut() {
    Scenario s = new Scenario("time-out on the stream", 1, 1, 3);
    Call late = s.fresh(RING).givenUpBy(0);
    Call again = s.fresh(RING);
    s.rank(0, submit(late), close(late)).rank(1, make(late)).rank(2, make(late));
    return s.all(new Reset(), make(again), read(again));
  }

  static Op make(Call call) {
    return new Make(call);
  }

  private static Op submit(Call call) {
    return new Submit(call);
  }

  static Op read(Call call) {
    return new Read(call);
  }

  static Op close(Call call) {
    return new Close(call);
  }

  private static Op fill(int buffer, Call dispatch) {
    return new Fill(buffer, dispatch);
  }
}
