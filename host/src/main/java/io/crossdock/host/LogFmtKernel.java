package io.crossdock.host;

import java.lang.foreign.MemorySegment;

/// Stand-in.
interface LogFmtKernel {
  static LogFmtKernel pick() {
    return (y, from, page, to, hidden) -> {
      MemorySegment.copy(y, from, page, to, hidden * 2L);
      return hidden * 2L;
    };
  }

  long encodeRow(MemorySegment y, long from, MemorySegment page, long to, int hidden);
}
