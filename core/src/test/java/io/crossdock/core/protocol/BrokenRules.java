package io.crossdock.core.protocol;

import java.util.List;
import java.util.stream.Stream;

/// The protocol with one rule broken at a time, to show that the scheduler finds it out.
final class BrokenRules {
  private BrokenRules() {}

  /// A broken rule.
  ///
  /// @param name which one
  /// @param rules the protocol without it
  /// @param scenario where that shows
  /// @param complaint what the run ends with
  record Mutant(String name, Rules rules, Scenario scenario, String complaint) {
    @Override
    public String toString() {
      return name;
    }
  }

  static List<Mutant> all() {
    return Stream.of(order(), windows(), endings()).flatMap(List::stream).toList();
  }

  private static List<Mutant> order() {
    return List.of(
        new Mutant(
            "the entries of the epoch before are not awaited",
            new SkipPrevious(),
            Scenarios.refusals(),
            "entry overwritten before all peers read it"),
        new Mutant(
            "one entry slot",
            new OneSlot(),
            Scenarios.calls(),
            "entry overwritten before all peers read it"),
        new Mutant(
            "rows are placed before the peers entered",
            new PlaceUnseen(),
            Scenarios.leaseHeldOnOneRank(),
            "row placed into a window that is not open for it"),
        new Mutant(
            "a result is read before the peers finished",
            new ReadUnfinished(),
            Scenarios.calls(),
            "received row is not the one placed"),
        new Mutant(
            "a peer's refusal is overlooked",
            new OverlookRefusal(),
            Scenarios.refusals(),
            "verdicts differ"),
        new Mutant(
            "too small a window is overlooked",
            new OverlookCapacity(),
            Scenarios.overCapacity(),
            "call ended as OK"));
  }

  private static List<Mutant> windows() {
    return List.of(
        new Mutant(
            "an output window is free once its owner pulled",
            new FreeAtPublish(),
            Scenarios.manyCombines(),
            "output row overwritten before all peers pulled it"),
        new Mutant(
            "an output window is free once one reader pulled",
            new FreeUnpulled(),
            Scenarios.zeroCopy(),
            "output row overwritten before all peers pulled it"),
        new Mutant(
            "the window follows from the epoch's parity",
            new WindowByParity(),
            Scenarios.leaseHeldOnOneRank(),
            "window chosen that holds a live result"),
        new Mutant(
            "a refused call keeps its window",
            new KeepWindow(),
            Scenarios.refusedLate(),
            "call ended as LEASE"),
        new Mutant(
            "a lease passes to its combine when that starts",
            new ClaimLate(),
            Scenarios.streamAndEarlyClose(),
            "output row overwritten before all peers pulled it"),
        new Mutant(
            "a lease ends whoever holds the window since",
            new EndAnyLease(),
            Scenarios.staleLease(),
            "window chosen that holds a live result"));
  }

  private static List<Mutant> endings() {
    return List.of(
        new Mutant(
            "waits do not poll for an abort",
            new NeverPoll(),
            Scenarios.timeOutInDispatch(),
            "deadlock"),
        new Mutant(
            "waits overlook that a peer left",
            new OverlookLeaving(),
            Scenarios.leaves(),
            "deadlock"),
        new Mutant(
            "a lease goes back to the caller after an abort",
            new WithdrawAfterAbort(),
            Scenarios.timeOutInCombine(),
            "output row overwritten before all peers pulled it"),
        new Mutant(
            "a reset starts at epoch zero",
            new RestartAtZero(),
            Scenarios.timeOutInDispatch(),
            "received row is not the one placed"));
  }

  private static void observeAll(ProtocolState protocol) {
    for (int peer = 0; peer < Scenario.NUM_RANKS; peer++) {
      protocol.observe(peer);
    }
  }

  private static final class FreeAtPublish extends Rules {
    @Override
    void publishOutput(ProtocolState protocol, int window) {
      protocol.output().free(window);
    }
  }

  private static final class FreeUnpulled extends Rules {
    @Override
    int acquireOutput(ProtocolState protocol) {
      WindowSet output = protocol.output();
      for (int window = 0; window < output.size(); window++) {
        if (output.holder(window) == WindowSet.Holder.READERS) {
          output.free(window);
        }
      }
      return output.acquire();
    }
  }

  private static final class SkipPrevious extends Rules {
    @Override
    int nextUnseenBefore(ProtocolState protocol) {
      observeAll(protocol);
      return -1;
    }
  }

  private static final class OneSlot extends Rules {
    @Override
    int slot(long epoch) {
      return 0;
    }
  }

  private static final class PlaceUnseen extends Rules {
    @Override
    int nextUnseen(ProtocolState protocol) {
      if (protocol.epoch() > 1) {
        observeAll(protocol);
      }
      return protocol.nextUnseen();
    }

    @Override
    Verdict verdict(ProtocolState protocol) {
      return Verdict.PROCEED;
    }
  }

  private static final class ReadUnfinished extends Rules {
    @Override
    int nextUnfinished(ProtocolState protocol) {
      return -1;
    }
  }

  private static final class WindowByParity extends Rules {
    @Override
    int acquireReceive(ProtocolState protocol) {
      return (int) (protocol.epoch() % protocol.receive().size());
    }
  }

  private static final class OverlookRefusal extends Rules {
    @Override
    Verdict verdict(ProtocolState protocol) {
      Verdict verdict = protocol.verdict();
      return verdict == Verdict.REFUSED ? Verdict.PROCEED : verdict;
    }
  }

  private static final class OverlookCapacity extends Rules {
    @Override
    Verdict verdict(ProtocolState protocol) {
      Verdict verdict = protocol.verdict();
      return verdict == Verdict.OVER_CAPACITY ? Verdict.PROCEED : verdict;
    }
  }

  private static final class KeepWindow extends Rules {
    @Override
    void withdraw(ProtocolState protocol, WindowSet windows, int window) {}
  }

  private static final class NeverPoll extends Rules {
    @Override
    boolean pollsPeers() {
      return false;
    }
  }

  private static final class OverlookLeaving extends Rules {
    @Override
    boolean isGone(ProtocolState protocol, int peer) {
      return false;
    }
  }

  private static final class ClaimLate extends Rules {
    @Override
    boolean claimAtAdmission(WindowSet windows, int window) {
      return windows.holder(window) == WindowSet.Holder.LEASE;
    }

    @Override
    void claimAtStart(WindowSet windows, int window) {
      windows.claimLease(window);
    }
  }

  private static final class WithdrawAfterAbort extends Rules {
    @Override
    void withdraw(ProtocolState protocol, WindowSet windows, int window) {
      windows.withdraw(window);
    }
  }

  private static final class EndAnyLease extends Rules {
    @Override
    void endLease(WindowSet windows, int window, long ticket) {
      windows.free(window);
    }
  }

  private static final class RestartAtZero extends Rules {
    @Override
    long restart(long highest) {
      return 0;
    }
  }
}
