package io.crossdock.core.group;

import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import javax.crypto.Mac;

/// An authenticated connection: frames with a sequence number and a proof, so that an injected,
/// replayed or cut record is refused. Sending never blocks the caller: a thread of the channel does
/// it.
///
/// ```
/// frame   type 1, length 4, payload, tag 16
/// ```
///
/// Any thread may send, finish or cut; one thread receives and then closes.
final class FrameChannel implements AutoCloseable {
  /// What a frame carries.
  enum Type {
    /// Member to host: a contribution to a collective.
    COLLECT,
    /// Host to member: contributions, in rank order, until all ranks are complete.
    RESULT,
    /// Either way: why the group ended.
    FAILURE,
    /// Member to host: the rank leaves in good order.
    LEAVE
  }

  /// A received frame.
  record Frame(Type type, byte[] payload) {}

  /// Which end writes: the two directions of a connection are told apart.
  enum End {
    HOST,
    MEMBER
  }

  /// Room for one contribution and a frame's worth of small ones beside it.
  static final int MAX_PAYLOAD_BYTES = ProcessGroup.MAX_CONTRIBUTION_BYTES + (2 << 20);

  private static final int HEADER_BYTES = 1 + Integer.BYTES;
  private static final int TAG_BYTES = 16;
  private static final long FLUSH_SECONDS = 2;

  private final Socket socket;
  private final DataInputStream in;
  private final DataOutputStream out;
  private final Mac sendMac;
  private final Mac receiveMac;
  private final End end;
  private final AtomicBoolean finished = new AtomicBoolean();
  private final ExecutorService writer =
      Executors.newSingleThreadExecutor(Thread.ofVirtual().name("crossdock-group-send").factory());
  private long sent;
  private long received;

  FrameChannel(Socket socket, End end, byte[] sessionKey) throws IOException {
    this.socket = socket;
    this.end = end;
    this.in = new DataInputStream(new BufferedInputStream(socket.getInputStream()));
    this.out = new DataOutputStream(new BufferedOutputStream(socket.getOutputStream()));
    this.sendMac = Credentials.mac(sessionKey);
    this.receiveMac = Credentials.mac(sessionKey);
    socket.setTcpNoDelay(true);
    socket.setKeepAlive(true);
    socket.setSoTimeout(0);
  }

  /// Queues a frame, unless the channel is finished. A connection that broke is noticed by the
  /// receiver, not here.
  void send(Type type, byte[] payload) {
    send(type, List.of(payload));
  }

  /// Queues one frame per payload.
  void send(Type type, List<byte[]> payloads) {
    execute(() -> {
      for (byte[] payload : payloads) {
        write(type, payload);
      }
      out.flush();
    });
  }

  /// Something that writes to the connection.
  private interface Output {
    void run() throws IOException;
  }

  private void execute(Output output) {
    try {
      writer.execute(() -> {
        try {
          output.run();
        } catch (IOException e) {
          closeSocket();
        }
      });
    } catch (RejectedExecutionException e) {
      log("nothing is sent any more", e);
    }
  }

  private void write(Type type, byte[] payload) throws IOException {
    out.writeByte(type.ordinal());
    out.writeInt(payload.length);
    out.write(payload);
    out.write(tag(sendMac, end, type, sent++, payload));
  }

  /// Waits for the next frame.
  ///
  /// @throws EOFException when the connection ended
  /// @throws IOException when the connection broke or a frame is not genuine
  Frame receive() throws IOException {
    byte[] header = in.readNBytes(HEADER_BYTES);
    if (header.length < HEADER_BYTES) {
      throw new EOFException("connection closed");
    }
    int typeIndex = header[0] & 0xff;
    int length = ByteBuffer.wrap(header).getInt(1);
    if (typeIndex >= Type.values().length || length < 0 || length > MAX_PAYLOAD_BYTES) {
      throw new IOException("frame is malformed: type=" + typeIndex + ", bytes=" + length);
    }
    Type type = Type.values()[typeIndex];
    byte[] payload = in.readNBytes(length);
    byte[] tag = in.readNBytes(TAG_BYTES);
    if (tag.length < TAG_BYTES) {
      throw new EOFException("connection closed inside a frame: type=" + type);
    }
    End peer = end == End.HOST ? End.MEMBER : End.HOST;
    if (!Credentials.same(tag, tag(receiveMac, peer, type, received++, payload))) {
      throw new IOException("frame is not genuine: type=" + type + ", bytes=" + length);
    }
    return new Frame(type, payload);
  }

  private static byte[] tag(Mac mac, End from, Type type, long sequence, byte[] payload) {
    mac.update((byte) from.ordinal());
    mac.update((byte) type.ordinal());
    mac.update(ByteBuffer.allocate(Long.BYTES).putLong(sequence).array());
    return Arrays.copyOf(mac.doFinal(payload), TAG_BYTES);
  }

  /// Nothing is sent after what is queued; the peer reads to the end and then ends the connection.
  /// Idempotent, does not wait.
  void finish() {
    if (finished.compareAndSet(false, true)) {
      execute(socket::shutdownOutput);
      writer.shutdown();
    }
  }

  /// Ends the connection at once. Idempotent, does not wait.
  void cut() {
    finished.set(true);
    writer.shutdownNow();
    closeSocket();
  }

  /// Ends the connection such that the peer gets what is queued: sends it, then reads what is still
  /// under way, since a socket closed with unread bytes resets the connection. Bounded; for the
  /// thread that receives.
  @Override
  public void close() {
    Deadline bound = Deadline.inMillis(TimeUnit.SECONDS.toMillis(FLUSH_SECONDS));
    finish();
    try {
      if (writer.awaitTermination(bound.remainingNanos(), TimeUnit.NANOSECONDS)) {
        drain(bound);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (IOException e) {
      log("connection broke while it was closed", e);
    }
    cut();
  }

  private void drain(Deadline bound) throws IOException {
    byte[] sink = new byte[1 << 12];
    do {
      socket.setSoTimeout(bound.remainingMillis());
    } while (!bound.expired() && in.read(sink) >= 0);
  }

  private void closeSocket() {
    try {
      socket.close();
    } catch (IOException e) {
      log("socket did not close", e);
    }
  }

  private static void log(String what, Exception cause) {
    System.getLogger(FrameChannel.class.getName())
        .log(System.Logger.Level.DEBUG, what + ": cause=" + cause);
  }
}
