package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;

/// A reader pulls a row and then publishes that it did; the owner writes the next row over it once
/// it saw the mark. The row must not be new before it was read.
@JCStressTest
@Outcome(id = "0, 0", expect = Expect.ACCEPTABLE, desc = "not pulled yet: the owner leaves it")
@Outcome(id = "1, 0", expect = Expect.ACCEPTABLE, desc = "pulled, then overwritten")
@Outcome(expect = Expect.FORBIDDEN, desc = "the reader got the next row")
@State
public class PulledMarkStress {
  private final SharedPages pages = new SharedPages();

  /// Rank 0 pulls; it publishes in its own page, so its row is there too.
  @Actor
  public void reader(II_Result result) {
    result.r2 = pages.writtenRow().get(JAVA_INT, pages.row());
    pages.writer.publishPulled(1);
  }

  @Actor
  public void owner(II_Result result) {
    result.r1 = (int) pages.reader.load(0, pages.layout.pulled);
    if (result.r1 == 1) {
      pages.readRow().set(JAVA_INT, pages.row(), 9);
    }
  }
}
