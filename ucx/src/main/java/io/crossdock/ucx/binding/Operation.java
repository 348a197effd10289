package io.crossdock.ucx.binding;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;

/// Memory of one operation of an endpoint or worker, and its request while it is under way. Used
/// again and again.
///
/// ```
/// | header (of a message)                | list of pieces: address, size |
/// ```
///
/// Confined to one thread at a time.
public final class Operation {
  /// Bytes of a header at most.
  public static final int HEADER_BYTES = 768;

  /// Pieces of a message at most.
  public static final int MOST_PIECES = 48;

  private static final long PIECE_BYTES = 2L * Long.BYTES; // ucp_dt_iov_t
  private static final long ALIGNMENT = 64;

  // ucp_request_param_t and its numbers
  private static final long PARAMS_BYTES = 128;
  private static final long FLAGS_AT = 4;
  private static final long DATATYPE_AT = 24;
  private static final int HAS_DATATYPE = 0x8;
  private static final int HAS_FLAGS = 0x10;
  private static final int HAS_MEMORY_TYPE = 0x40; // at 48; host memory is 0
  private static final int SEND_EAGER = 0x2;
  private static final int CLOSE_FORCE = 0x1;
  private static final long CONTIGUOUS = 0x8;
  private static final long LIST = 0x2;

  private static final long BYTES_EAGER = params(HAS_MEMORY_TYPE, SEND_EAGER, CONTIGUOUS);
  private static final long LIST_EAGER = params(HAS_MEMORY_TYPE, SEND_EAGER, LIST);
  private static final long PLAIN = params(0, 0, CONTIGUOUS);
  private static final long FORCED = params(0, CLOSE_FORCE, CONTIGUOUS);

  private final MemorySegment memory;
  private final long address;
  private int numPieces;
  private long byteSize;
  private long headerBytes;
  private long onlyAddress;
  private long params;
  private long request;

  /// Makes one.
  ///
  /// @param allocator its memory lives longer than the worker
  public Operation(SegmentAllocator allocator) {
    memory = allocator.allocate(HEADER_BYTES + MOST_PIECES * PIECE_BYTES, ALIGNMENT);
    address = memory.address();
  }

  private static long params(int fields, int flags, long datatype) {
    MemorySegment params = Arena.global().allocate(PARAMS_BYTES, Long.BYTES);
    params.set(JAVA_INT, 0, fields | HAS_FLAGS | HAS_DATATYPE);
    params.set(JAVA_INT, FLAGS_AT, flags);
    params.set(JAVA_LONG, DATATYPE_AT, datatype);
    return params.address();
  }

  /// {@return memory of the header, and then some}
  public MemorySegment header() {
    return memory;
  }

  /// {@return address of the header}
  public long headerAddress() {
    return address;
  }

  /// Forgets all pieces.
  public void clear() {
    numPieces = 0;
    byteSize = 0;
    onlyAddress = 0;
  }

  /// {@return how many pieces there are}
  public int numPieces() {
    return numPieces;
  }

  /// {@return bytes of all pieces}
  public long byteSize() {
    return byteSize;
  }

  /// Adds a piece.
  ///
  /// @param pieceAddress where it begins
  /// @param pieceBytes its size
  public void add(long pieceAddress, long pieceBytes) {
    long at = HEADER_BYTES + numPieces * PIECE_BYTES;
    memory.set(JAVA_LONG, at, pieceAddress);
    memory.set(JAVA_LONG, at + Long.BYTES, pieceBytes);
    onlyAddress = pieceAddress;
    numPieces++;
    byteSize += pieceBytes;
  }

  /// Sends header and pieces as a message. Both stay as they are while it is under way.
  ///
  /// @param endpoint to whom
  /// @param id of the handler there
  /// @param bytes of the header
  /// @return 0 or the status of a failure
  public byte send(Endpoint endpoint, int id, long bytes) {
    headerBytes = bytes;
    params = numPieces > 1 ? LIST_EAGER : BYTES_EAGER;
    return begun(Ucp.send(endpoint.handle(), id, this));
  }

  /// Puts the one piece.
  ///
  /// @param endpoint to whom
  /// @param key of the memory there
  /// @param remoteAddress where
  /// @return 0 or the status of a failure
  public byte put(Endpoint endpoint, Key key, long remoteAddress) {
    if (numPieces != 1) {
      throw new IllegalStateException("a put has one piece: numPieces=" + numPieces);
    }
    params = PLAIN;
    return begun(Ucp.put(endpoint.handle(), key.handle(), remoteAddress, this));
  }

  /// Begins to move everything of a worker to where it goes.
  ///
  /// @param worker whose
  /// @return 0 or the status of a failure
  public byte flush(Worker worker) {
    return begun(Ucp.workerFlush(worker.handle(), PLAIN));
  }

  /// Begins to close an endpoint, whatever is under way there; that ends as failed.
  ///
  /// @param endpoint which must not be used any more
  /// @return 0 or the status of a failure
  public byte close(Endpoint endpoint) {
    return begun(Ucp.endpointClose(endpoint.handle(), FORCED));
  }

  private byte begun(long answer) {
    if (Ucp.isFailure(answer)) {
      request = 0;
      return (byte) answer;
    }
    request = answer;
    return Ucp.OK;
  }

  /// {@return true until [#poll] told the end}
  public boolean isUnderWay() {
    return request != 0;
  }

  /// Looks whether an operation under way has ended.
  ///
  /// @return [Status#IN_PROGRESS], or 0, or the status of a failure
  public byte poll() {
    byte status = Ucp.requestStatus(request);
    if (status != Ucp.IN_PROGRESS) {
      Ucp.requestFree(request);
      request = 0;
    }
    return status;
  }

  long headerBytes() {
    return headerBytes;
  }

  long dataAddress() {
    return numPieces > 1 ? address + HEADER_BYTES : onlyAddress;
  }

  long dataCount() {
    return numPieces > 1 ? numPieces : byteSize;
  }

  long params() {
    return params;
  }
}
