package io.crossdock.ucx;

import io.crossdock.core.Mode;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;

/// What a rank tells its peers so that they can write to its region.
///
/// ```
/// | magic | version | mode | kind | rank | numRanks | region address, bytes | segment |
/// | worker address | key of the region (may be empty) | a token for each sender |
/// ```
///
/// Safe for any thread; nobody changes the arrays.
///
/// @param mode whose traffic
/// @param kind how bytes come into the region
/// @param rank whose region
/// @param regionAddress where it lies in its process
/// @param regionBytes its size
/// @param segmentBytes of rows that a message to this rank may bring
/// @param workerAddress of UCX
/// @param key of UCX; empty with messages
/// @param tokens secret of each sender, by its rank
record Offer(
    Mode mode,
    PutsKind kind,
    int rank,
    long regionAddress,
    long regionBytes,
    long segmentBytes,
    byte[] workerAddress,
    byte[] key,
    long[] tokens) {

  private static final int MAGIC = 0x58445558;
  private static final short VERSION = 2;
  private static final int FIXED_BYTES = 4 + 2 + 1 + 1 + 4 + 4 + 8 + 8 + 8 + 4 + 4;

  byte[] encode() {
    int bytes = FIXED_BYTES + workerAddress.length + key.length + tokens.length * Long.BYTES;
    ByteBuffer out = ByteBuffer.allocate(bytes);
    out.putInt(MAGIC).putShort(VERSION);
    out.put((byte) mode.ordinal()).put((byte) kind.ordinal());
    out.putInt(rank).putInt(tokens.length).putLong(regionAddress).putLong(regionBytes);
    out.putLong(segmentBytes);
    out.putInt(workerAddress.length).put(workerAddress);
    out.putInt(key.length).put(key);
    for (long token : tokens) {
      out.putLong(token);
    }
    return out.array();
  }

  /// Reads an offer that may come from another program, or be cut.
  ///
  /// @throws IllegalArgumentException if it is none of this version
  static Offer decode(byte[] bytes) {
    ByteBuffer in = ByteBuffer.wrap(bytes);
    if (bytes.length < FIXED_BYTES || in.getInt() != MAGIC) {
      throw new IllegalArgumentException("not an offer of this transport: bytes=" + bytes.length);
    }
    short version = in.getShort();
    if (version != VERSION) {
      throw new IllegalArgumentException(
          "offer is of another version: version=" + version + ", expected=" + VERSION);
    }
    try {
      Offer offer = decodeBody(in);
      if (in.hasRemaining()) {
        throw broken("more bytes than it has", bytes.length);
      }
      return offer;
    } catch (BufferUnderflowException e) {
      throw new IllegalArgumentException("offer is cut short: bytes=" + bytes.length, e);
    }
  }

  private static Offer decodeBody(ByteBuffer in) {
    Mode mode = oneOf(Mode.values(), in.get());
    PutsKind kind = oneOf(PutsKind.values(), in.get());
    int rank = in.getInt();
    int numRanks = in.getInt();
    long regionAddress = in.getLong();
    long regionBytes = in.getLong();
    long segmentBytes = in.getLong();
    if (segmentBytes < Handles.LEAST_SEGMENT_BYTES) {
      throw broken("segments that are too small, segmentBytes=" + segmentBytes, in.limit());
    }
    byte[] workerAddress = take(in);
    byte[] key = take(in);
    if (numRanks < 0 || in.remaining() < (long) numRanks * Long.BYTES) {
      throw new BufferUnderflowException();
    }
    long[] tokens = new long[numRanks];
    in.asLongBuffer().get(tokens);
    in.position(in.position() + numRanks * Long.BYTES);
    return new Offer(
        mode, kind, rank, regionAddress, regionBytes, segmentBytes, workerAddress, key, tokens);
  }

  private static byte[] take(ByteBuffer in) {
    int size = in.getInt();
    if (size < 0 || size > in.remaining()) {
      throw new BufferUnderflowException();
    }
    byte[] bytes = new byte[size];
    in.get(bytes);
    return bytes;
  }

  private static <E> E oneOf(E[] values, int index) {
    if (index < 0 || index >= values.length) {
      throw broken("an unknown mode or kind of puts, number=" + index, values.length);
    }
    return values[index];
  }

  private static IllegalArgumentException broken(String what, int size) {
    return new IllegalArgumentException("offer is broken: has=" + what + ", size=" + size);
  }
}
