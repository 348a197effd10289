package io.crossdock.host;

import io.crossdock.core.protocol.PeerState;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.LI_Result;

/// A rank does its part and leaves; a peer that still waits sees that it left, and looks once more
/// whether its part is done before it gives up.
@JCStressTest
@Outcome(id = "RUNNING, 0", expect = Expect.ACCEPTABLE, desc = "goes on waiting")
@Outcome(id = "RUNNING, 1", expect = Expect.ACCEPTABLE, desc = "its part is done")
@Outcome(id = "LEAVING, 1", expect = Expect.ACCEPTABLE, desc = "left, after it did its part")
@Outcome(id = "LEAVING, 0", expect = Expect.FORBIDDEN, desc = "would be blamed for what it did")
@State
public class LeaveStress {
  private final SharedPages pages = new SharedPages();

  @Actor
  public void leaver() {
    pages.writer.publishFinished(1);
    pages.writer.publishState(PeerState.LEAVING, "");
  }

  @Actor
  public void peer(LI_Result result) {
    result.r1 = pages.reader.state(0);
    result.r2 = (int) pages.reader.load(0, pages.layout.finished);
  }
}
