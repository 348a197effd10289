package io.crossdock.host;

import io.crossdock.core.protocol.WindowSet;
import io.crossdock.core.protocol.WindowSet.Holder;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.IL_Result;
import org.openjdk.jcstress.infra.results.LL_Result;
import org.openjdk.jcstress.infra.results.L_Result;
import org.openjdk.jcstress.infra.results.ZL_Result;

/// One window that is leased, while any thread may end the lease.
public class WindowLeaseStress {
  private WindowLeaseStress() {}

  /// The window and its lease.
  public abstract static class Lease {
    final WindowSet windows = new WindowSet(1);
    final int window = windows.acquire();
    final long ticket = windows.ticket(window);

    Lease() {
      windows.hand(window, Holder.LEASE, 1);
    }
  }

  /// A borrowed result is closed while the next call looks for a window.
  @JCStressTest
  @Outcome(id = "0, CALL", expect = Expect.ACCEPTABLE, desc = "closed first: the call has it")
  @Outcome(id = "-1, FREE", expect = Expect.ACCEPTABLE, desc = "looked first: none, free later")
  @State
  public static class CloseAndAcquire extends Lease {
    @Actor
    public void close() {
      windows.endLease(window, ticket);
    }

    @Actor
    public void call(IL_Result result) {
      result.r1 = windows.acquire();
    }

    @Arbiter
    public void after(IL_Result result) {
      result.r2 = windows.holder(window);
    }
  }

  /// A result is closed twice, by two threads, one of which then gets the window leased again. The
  /// late close must not end the new lease.
  @JCStressTest
  @Outcome(id = "LEASE", expect = Expect.ACCEPTABLE, desc = "the new lease lives")
  @Outcome(expect = Expect.FORBIDDEN, desc = "the new lease was ended by a close of the old")
  @State
  public static class LateClose extends Lease {
    @Actor
    public void close() {
      windows.endLease(window, ticket);
    }

    @Actor
    public void closeAndLeaseAgain() {
      windows.endLease(window, ticket);
      windows.hand(windows.acquire(), Holder.LEASE, 2);
    }

    @Arbiter
    public void after(L_Result result) {
      result.r1 = windows.holder(window);
    }
  }

  /// A combine takes a handed-out window over while another thread gives the place back.
  @JCStressTest
  @Outcome(id = "true, CALL", expect = Expect.ACCEPTABLE, desc = "the combine has it and keeps it")
  @Outcome(id = "false, FREE", expect = Expect.ACCEPTABLE, desc = "given back: nothing to combine")
  @Outcome(expect = Expect.FORBIDDEN, desc = "taken away from the combine, or lost")
  @State
  public static class CloseAndClaim extends Lease {
    @Actor
    public void close() {
      windows.endLease(window, ticket);
    }

    @Actor
    public void combine(ZL_Result result) {
      result.r1 = windows.claimLease(window);
    }

    @Arbiter
    public void after(ZL_Result result) {
      result.r2 = windows.holder(window);
    }
  }

  /// The same, with a combine that a rank refuses. However the two meet, the place was given back,
  /// so the window is free in the end.
  @JCStressTest
  @Outcome(
      id = "FREE, FREE",
      expect = Expect.ACCEPTABLE,
      desc = "given back before it was withdrawn")
  @Outcome(
      id = "LEASE, FREE",
      expect = Expect.ACCEPTABLE,
      desc = "withdrawn before it was given back")
  @Outcome(expect = Expect.FORBIDDEN, desc = "nobody would free the window any more")
  @State
  public static class CloseAndWithdraw extends Lease {
    @Actor
    public void close() {
      windows.endLease(window, ticket);
    }

    @Actor
    public void combine(LL_Result result) {
      if (windows.claimLease(window)) {
        windows.withdraw(window);
      }
      result.r1 = windows.holder(window);
    }

    @Arbiter
    public void after(LL_Result result) {
      result.r2 = windows.holder(window);
    }
  }
}
