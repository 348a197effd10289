package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.MemorySegment;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.III_Result;

/// A source copies a row into a window and then publishes that it finished; the owner of the window
/// looks at the mark and then at the row, at both its ends.
@JCStressTest
@Outcome(id = "0, 0, 0", expect = Expect.ACCEPTABLE, desc = "looked before the row")
@Outcome(id = "0, 0, 7", expect = Expect.ACCEPTABLE, desc = "not finished: half a row may be seen")
@Outcome(id = "0, 7, 0", expect = Expect.ACCEPTABLE, desc = "not finished: half a row may be seen")
@Outcome(id = "0, 7, 7", expect = Expect.ACCEPTABLE, desc = "not finished: the row is early")
@Outcome(id = "1, 7, 7", expect = Expect.ACCEPTABLE, desc = "finished: the row is there")
@Outcome(expect = Expect.FORBIDDEN, desc = "finished, and yet the row is not there")
@State
public class FinishedMarkStress {
  private static final MemorySegment ROW = MemorySegment.ofArray(new int[16]).fill((byte) 7);
  private static final int SEVENS = 0x07070707;

  private final SharedPages pages = new SharedPages();

  @Actor
  public void source() {
    MemorySegment.copy(ROW, 0, pages.writtenRow(), pages.row(), ROW.byteSize());
    pages.writer.publishFinished(1);
  }

  @Actor
  public void owner(III_Result result) {
    result.r1 = (int) pages.reader.load(0, pages.layout.finished);
    result.r2 = read(0);
    result.r3 = read(60);
  }

  private int read(int offset) {
    int value = pages.readRow().get(JAVA_INT, pages.row() + offset);
    return value == SEVENS ? 7 : value;
  }
}
