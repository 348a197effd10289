package io.crossdock.host;

import io.crossdock.core.protocol.PeerState;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.LL_Result;

/// A rank aborts; a peer that notices asks why.
@JCStressTest
@Outcome(id = "RUNNING, null", expect = Expect.ACCEPTABLE, desc = "looked first: nobody asks why")
@Outcome(id = "ABORTED, why", expect = Expect.ACCEPTABLE, desc = "noticed, with the reason")
@Outcome(expect = Expect.FORBIDDEN, desc = "noticed, without the reason")
@State
public class AbortStress {
  private final SharedPages pages = new SharedPages();

  @Actor
  public void origin() {
    pages.writer.publishState(PeerState.ABORTED, "why");
  }

  @Actor
  public void peer(LL_Result result) {
    PeerState state = pages.reader.state(0);
    result.r1 = state;
    if (state == PeerState.ABORTED) {
      result.r2 = pages.reader.reason(0);
    }
  }
}
