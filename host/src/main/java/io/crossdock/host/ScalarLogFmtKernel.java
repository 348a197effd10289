package io.crossdock.host;

import io.crossdock.core.format.LogFmt10;
import java.lang.foreign.MemorySegment;

/// The scalar twin of [VectorLogFmtKernel], and what runs without the Vector API.
///
/// Safe for any thread.
final class ScalarLogFmtKernel implements LogFmtKernel {
  @Override
  public String describe() {
    return "scalar";
  }

  @Override
  public long encodeRow(MemorySegment y, long from, MemorySegment page, long to, int hidden) {
    return LogFmt10.encodeRow(y, from, page, to, hidden);
  }

  @Override
  public long decode(MemorySegment page, long headers, long payload, float[] values, int count) {
    return LogFmt10.decode(page, headers, payload, values, count);
  }
}
