package io.crossdock.core.group;

import java.io.EOFException;
import java.io.IOException;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/// The first words on a connection: both ends prove that they have the job secret and agree on a
/// key for the frames that follow. Numbers are big-endian:
///
/// ```
/// greeting  host to member   magic 8, version 4, nonce 32
/// hello     member to host   magic 8, version 4, rank 4, size 4, localSize 4, nonce 32, proof 32
/// answer    host to member   1 and proof 32, or 0
/// ```
///
/// This layout is the same in all versions, so that a rank of another version is known for what it
/// is. The member proves first: a stranger learns a nonce and nothing else.
///
/// Confined to one thread.
final class Handshake {
  /// Version of everything that follows the handshake.
  static final int VERSION = 1;

  private static final byte[] MAGIC = "CROSSDCK".getBytes(StandardCharsets.US_ASCII);
  private static final int GREETING_BYTES = MAGIC.length + Integer.BYTES + Credentials.NONCE_BYTES;
  private static final int HELLO_BYTES = MAGIC.length + 4 * Integer.BYTES + Credentials.NONCE_BYTES;
  private static final byte REFUSED = 0;
  private static final byte ACCEPTED = 1;

  /// How long a read goes unaware of an interrupt.
  private static final int SLICE_MILLIS = 100;

  private final Socket socket;
  private final Credentials credentials;
  private final Deadline bound;

  /// What a member says about itself.
  record Claim(int version, int rank, int size, int localSize) {}

  /// What both ends know afterwards.
  record Session(int hostVersion, Claim member, byte[] key) {}

  Handshake(Socket socket, Credentials credentials, Deadline bound) {
    this.socket = socket;
    this.credentials = credentials;
    this.bound = bound;
  }

  /// The host's part.
  ///
  /// @throws GroupSecretException when the peer does not have the secret; it was told
  /// @throws IOException when the peer is a stranger, silent or gone
  Session asHost(int version) throws IOException, InterruptedException {
    byte[] greeting =
        ByteBuffer.allocate(GREETING_BYTES)
            .put(MAGIC)
            .putInt(version)
            .put(Credentials.nonce())
            .array();
    send(greeting);
    byte[] hello = receive(HELLO_BYTES);
    requireMagic(hello);
    byte[] proof = receive(Credentials.PROOF_BYTES);
    if (!Credentials.same(proof, credentials.proof(Credentials.Purpose.MEMBER, greeting, hello))) {
      send(REFUSED);
      throw new GroupSecretException(
          "peer does not have the job secret: from=" + socket.getRemoteSocketAddress());
    }
    send(ACCEPTED);
    send(credentials.proof(Credentials.Purpose.HOST, greeting, hello));
    return session(greeting, hello);
  }

  /// The member's part.
  ///
  /// @throws GroupSecretException when either end refuses the other's proof
  /// @throws IOException when the peer is a stranger, silent or gone
  Session asMember(Claim claim) throws IOException, InterruptedException {
    byte[] greeting = receive(GREETING_BYTES);
    requireMagic(greeting);
    byte[] hello =
        ByteBuffer.allocate(HELLO_BYTES)
            .put(MAGIC)
            .putInt(claim.version)
            .putInt(claim.rank)
            .putInt(claim.size)
            .putInt(claim.localSize)
            .put(Credentials.nonce())
            .array();
    send(hello);
    send(credentials.proof(Credentials.Purpose.MEMBER, greeting, hello));
    if (receive(1)[0] != ACCEPTED) {
      throw secretException("the host refuses the job secret of this rank", claim.rank);
    }
    byte[] proof = receive(Credentials.PROOF_BYTES);
    if (!Credentials.same(proof, credentials.proof(Credentials.Purpose.HOST, greeting, hello))) {
      throw secretException("the host does not have the job secret of this rank", claim.rank);
    }
    return session(greeting, hello);
  }

  private GroupSecretException secretException(String what, int rank) {
    return new GroupSecretException(
        what
            + ": host=0, at="
            + socket.getRemoteSocketAddress()
            + ", remedy=set CROSSDOCK_SECRET or CROSSDOCK_SECRET_FILE alike on all ranks, rank="
            + rank);
  }

  private Session session(byte[] greeting, byte[] hello) {
    ByteBuffer numbers = ByteBuffer.wrap(hello).position(MAGIC.length);
    var claim = new Claim(numbers.getInt(), numbers.getInt(), numbers.getInt(), numbers.getInt());
    int hostVersion = ByteBuffer.wrap(greeting).getInt(MAGIC.length);
    byte[] key = credentials.proof(Credentials.Purpose.SESSION, greeting, hello);
    return new Session(hostVersion, claim, key);
  }

  private static void requireMagic(byte[] message) throws IOException {
    if (!Arrays.equals(message, 0, MAGIC.length, MAGIC, 0, MAGIC.length)) {
      throw new IOException("the peer does not speak this protocol");
    }
  }

  private void send(byte... bytes) throws IOException {
    socket.getOutputStream().write(bytes);
  }

  private byte[] receive(int numBytes) throws IOException, InterruptedException {
    byte[] bytes = new byte[numBytes];
    for (int filled = 0; filled < numBytes; ) {
      if (Thread.interrupted()) {
        throw new InterruptedException();
      }
      if (bound.expired()) {
        throw new SocketTimeoutException("the peer does not finish the handshake");
      }
      filled += receiveSome(bytes, filled);
    }
    return bytes;
  }

  private int receiveSome(byte[] bytes, int filled) throws IOException {
    socket.setSoTimeout(Math.min(bound.remainingMillis(), SLICE_MILLIS));
    try {
      int numRead = socket.getInputStream().read(bytes, filled, bytes.length - filled);
      if (numRead < 0) {
        throw new EOFException("the peer ended the handshake");
      }
      return numRead;
    } catch (SocketTimeoutException e) {
      return 0;
    }
  }
}
