package io.crossdock.host;

import io.crossdock.core.protocol.CallKind;
import io.crossdock.core.protocol.Entry;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.ZZ_Result;

/// A rank publishes its entry of an epoch; a peer that sees the epoch reads the entry.
@JCStressTest
@Outcome(id = "false, false", expect = Expect.ACCEPTABLE, desc = "not entered: nothing is read")
@Outcome(id = "true, true", expect = Expect.ACCEPTABLE, desc = "entered: all of the entry is there")
@Outcome(id = "true, false", expect = Expect.FORBIDDEN, desc = "entered, with part of the entry")
@State
public class EntryStress {
  private static final Entry SENT = entry();

  private final SharedPages pages = new SharedPages();

  private static Entry entry() {
    Entry entry = new Entry(2, 2);
    entry.kind = CallKind.FRESH_DISPATCH;
    entry.window = 1;
    entry.capacityRows = 17;
    entry.outputRows = 18;
    entry.rowBytes = 16;
    entry.topk = 1;
    entry.numExperts = 2;
    entry.rankCounts[0] = 5;
    entry.rankCounts[1] = 6;
    entry.expertCounts[1] = 7;
    return entry;
  }

  @Actor
  public void source() {
    pages.writer.publishEntry(1, SENT);
  }

  @Actor
  public void peer(ZZ_Result result) {
    result.r1 = pages.reader.load(0, pages.layout.slot(1)) == 1;
    if (result.r1) {
      Entry got = new Entry(2, 2);
      pages.reader.readEntry(0, 1, got);
      result.r2 = isComplete(got);
    }
  }

  private static boolean isComplete(Entry got) {
    return SENT.agrees(got)
        && got.window == SENT.window
        && got.capacityRows == SENT.capacityRows
        && got.outputRows == SENT.outputRows
        && got.rankCounts[0] == SENT.rankCounts[0]
        && got.rankCounts[1] == SENT.rankCounts[1]
        && got.expertCounts[1] == SENT.expertCounts[1];
  }
}
