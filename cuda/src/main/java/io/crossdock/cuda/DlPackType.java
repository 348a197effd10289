package io.crossdock.cuda;

import io.crossdock.core.DType;
import io.crossdock.core.InvalidInputException;

/// An element type as DLPack writes it.
///
/// Safe for any thread.
///
/// @param code kind of number
/// @param bits of an element
/// @param lanes elements that are one
record DlPackType(int code, int bits, int lanes) {
  private static final int INT = 0;
  private static final int UINT = 1;
  private static final int FLOAT = 2;
  private static final int BFLOAT = 4;
  private static final int BOOL = 6;
  private static final int FLOAT8_E4M3FN = 10;

  /// Flags are bytes that hold 0 or 1, as in most libraries.
  private static final DlPackType FLAGS = new DlPackType(BOOL, Byte.SIZE, 1);

  static DlPackType of(DType dtype) {
    int code =
        switch (dtype) {
          case BF16 -> BFLOAT;
          case FP16, F32 -> FLOAT;
          case FP8_E4M3 -> FLOAT8_E4M3FN;
          case U8 -> UINT;
          case I32, I64 -> INT;
        };
    return new DlPackType(code, dtype.bytes() * Byte.SIZE, 1);
  }

  DType dtype() {
    if (equals(FLAGS)) {
      return DType.U8;
    }
    for (DType dtype : DType.values()) {
      if (equals(of(dtype))) {
        return dtype;
      }
    }
    throw new InvalidInputException(
        "DLPack element type is not supported: code="
            + code
            + ", bits="
            + bits
            + ", lanes="
            + lanes);
  }
}
