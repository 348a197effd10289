package io.crossdock.host;

import io.crossdock.core.protocol.CallKind;
import io.crossdock.core.protocol.Entry;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.IIZ_Result;

/// A rank enters two epochs in a row; a peer looks at the later slot first, then at the earlier.
/// Who sees an epoch must see the one before, in a slot of its own.
@JCStressTest
@Outcome(id = "0, 0, false", expect = Expect.ACCEPTABLE, desc = "looked first")
@Outcome(
    id = "0, 1, true",
    expect = Expect.ACCEPTABLE,
    desc = "in the first epoch, or just past it")
@Outcome(id = "2, 1, true", expect = Expect.ACCEPTABLE, desc = "in the second, the first is intact")
@Outcome(expect = Expect.FORBIDDEN, desc = "an epoch without the one before, or a spoilt entry")
@State
public class TwoEpochsStress {
  private static final Entry FIRST = refusal("first");
  private static final Entry SECOND = refusal("second");

  private final SharedPages pages = new SharedPages();

  private static Entry refusal(String reason) {
    Entry entry = new Entry(2, 2);
    entry.kind = CallKind.REFUSED;
    entry.reason = reason;
    return entry;
  }

  @Actor
  public void source() {
    pages.writer.publishEntry(1, FIRST);
    pages.writer.publishEntry(2, SECOND);
  }

  @Actor
  public void peer(IIZ_Result result) {
    result.r1 = (int) pages.reader.load(0, pages.layout.slot(2));
    result.r2 = (int) pages.reader.load(0, pages.layout.slot(1));
    if (result.r2 == 1) {
      Entry got = new Entry(2, 2);
      pages.reader.readEntry(0, 1, got);
      result.r3 = got.reason.equals("first");
    }
  }
}
